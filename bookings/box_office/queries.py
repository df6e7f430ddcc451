"""Queries of the box office: the shows of a day, orders and the best seats."""

import re
from datetime import date, timedelta

from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts.models import User
from bookings import seat_choice
from bookings.models import Order, OrderQuerySet
from bookings.services.seat_locks import places_of, read_terms
from catalog.models import Seat, Show, ShowStatus, Theatre
from catalog.programme.days import span_of
from catalog.staff import within_theatres_of

FOUND_AT_MOST = 50
MOST_ORDERS = 100
# How far back box office orders are searched by name or address.
REMEMBERED = timedelta(days=30)


def shows_of(theatre: Theatre, day: date) -> QuerySet[Show]:
    """Return the theatre's published shows on that business day."""
    begin, end = span_of(day, theatre.zone)
    return (
        Show.objects.published()
        .filter(theatre=theatre, start_time__gte=begin, start_time__lt=end)
        .with_seat_facts()
        .select_related("movie", "theatre", "screen__theatre")
        .order_by("start_time", "pk")
    )


def sellable(user: User) -> QuerySet[Show]:
    """Return the shows that the user may sell at the box office."""
    shows = Show.objects.exclude(status=ShowStatus.PLANNED)
    return within_theatres_of(user, shows, "theatre").select_related(
        "movie", "theatre", "screen__theatre"
    )


def orders_of(user: User) -> OrderQuerySet:
    """Return the orders for shows in the user's theatres."""
    return within_theatres_of(user, Order.objects.all(), "show__theatre")


def find_orders(user: User, text: str) -> list[Order]:
    """Return the newest orders with that reference, or of customers with that name or address."""
    text = text.strip()
    if not text:
        return []
    orders = orders_of(user).select_related("user").with_details()
    if found := list(orders.filter(reference=_reference(text))):
        return found
    recent = orders.filter(show__start_time__gt=Now() - REMEMBERED)
    return list(recent.of_customer(text)[:FOUND_AT_MOST])


def ids_of_orders(text: str) -> list[int]:
    """Return the ids of the newest orders with that reference or customer.

    Read beforehand, they let PostgreSQL use the indexes of whatever refers to orders.
    """
    orders = Order.objects.filter(reference=_reference(text))
    if not orders.exists():
        orders = Order.objects.of_customer(text)
    return list(orders.order_by("-pk").values_list("pk", flat=True)[:MOST_ORDERS])


def _reference(text: str) -> str:
    letters = re.sub(r"[\s-]", "", text).upper()
    return f"{letters[:4]}-{letters[4:]}"


def best_seats(*, show_id: int, quantity: int, accessible: bool) -> list[int]:
    """Return the ids of the best free seats together, without locking them.

    Raise `NoSeatsTogether` or `ShowNotFound`.
    """
    room = places_of(
        Seat.objects.filter(show_id=show_id), now=read_terms(show_id).now, hold_id=None
    )
    return seat_choice.best_available(
        room, quantity=quantity, accessible=accessible, gap_rule=False
    )
