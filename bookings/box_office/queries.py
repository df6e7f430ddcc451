"""What the box office looks at: the shows of a day, a room as it is now, and orders to be found."""

import re
from datetime import date, timedelta

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts.models import User
from bookings import seat_choice
from bookings.models import Order, OrderQuerySet
from bookings.services.seat_locks import draw, read_terms
from catalog import programme
from catalog.models import Seat, Show, ShowStatus, Theatre
from catalog.staff import within_theatres_of

FOUND_AT_MOST = 50
REFERENCE_LENGTH = 8  # without its dash
# Names and addresses of box office orders are looked for among shows no older than this.
REMEMBERED = timedelta(days=30)


def shows_of(theatre: Theatre, day: date) -> QuerySet[Show]:
    """Return what the theatre shows on that business day, planned ones left out."""
    begin, end = programme.span_of(day, theatre.zone)
    return (
        Show.objects.published()
        .filter(theatre=theatre, start_time__gte=begin, start_time__lt=end)
        .with_seat_facts()
        .select_related("movie", "theatre", "screen__theatre")
        .order_by("start_time", "pk")
    )


def sellable(user: User) -> QuerySet[Show]:
    """Return the shows whose room the user may open at the box office."""
    shows = Show.objects.exclude(status=ShowStatus.PLANNED)
    return within_theatres_of(user, shows, "theatre").select_related(
        "movie", "theatre", "screen__theatre"
    )


def orders_of(user: User) -> OrderQuerySet:
    """Return the orders for shows in the user's theatres."""
    return within_theatres_of(user, Order.objects.all(), "show__theatre")


def find_orders(user: User, text: str) -> list[Order]:
    """Return the newest orders with that reference, e-mail address or part of a name."""
    text = text.strip()
    if not text:
        return []
    orders = orders_of(user).select_related("user").with_details()
    letters = re.sub(r"[\s-]", "", text).upper()
    if len(letters) == REFERENCE_LENGTH:
        reference = f"{letters[:4]}-{letters[4:]}"
        if found := list(orders.filter(reference=reference)):
            return found
    column = "email__iexact" if "@" in text else "name__icontains"
    named = Q(**{f"user__{column}": text}) | Q(**{f"customer_{column}": text})
    recent = Q(show__start_time__gt=Now() - REMEMBERED)
    return list(orders.filter(named, recent)[:FOUND_AT_MOST])


def best_seats(*, show_id: int, quantity: int, accessible: bool) -> list[int]:
    """Return the ids of the best free seats together, by one plain look at the room.

    Raise `NoSeatsTogether` or `ShowNotFound`.
    """
    room = draw(Seat.objects.filter(show_id=show_id), now=read_terms(show_id).now, hold_id=None)
    return seat_choice.best_available(
        room, quantity=quantity, accessible=accessible, gap_rule=False
    )
