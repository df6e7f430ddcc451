"""The pages of the box office: sell seats of a show; find, correct, cancel and move orders."""

from collections.abc import Callable, Collection, Sequence
from datetime import date
from decimal import Decimal
from http import HTTPStatus
from operator import attrgetter
from typing import Any
from uuid import uuid4

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone, translation
from django.views.decorators.http import (
    conditional_page,
    require_GET,
    require_http_methods,
    require_POST,
)

from accounts.audited_admin import staff_user
from accounts.models import User
from booking_site.api.errors import DomainError
from booking_site.email_address import readable_email
from booking_site.languages import LANGUAGES
from booking_site.local_time import clock, localized_time
from booking_site.money import digits_of, localized_money, money_text
from bookings.box_office import queries
from bookings.box_office.forms import (
    BestSeats,
    Cancellation,
    Correction,
    Move,
    Sale,
    Search,
)
from bookings.box_office.room import categories, draw_room, is_free, state_of
from bookings.box_office.services import (
    Purchase,
    cancel_at_counter,
    move_at_counter,
    sell_at_counter,
)
from bookings.models import Booking, Order
from bookings.walk_in_customers import correct_customer, erase_customers
from catalog.admin.base import local
from catalog.archived_rooms import seats_of
from catalog.models import Seat, Show
from catalog.programme.days import business_day
from catalog.seat_changes import seats_events_url
from catalog.staff import theatres_of

MAY_SELL = "bookings.sell_order"

View = Callable[..., HttpResponse]


def counter_page(view: View) -> View:
    """Restrict the page to staff who may sell."""
    return admin.site.admin_view(permission_required(MAY_SELL, raise_exception=True)(view))


@require_GET
def entry(request: HttpRequest) -> HttpResponse:
    """List the shows of a day in one of the clerk's theatres, or the orders that were found."""
    clerk = staff_user(request)
    form = Search(request.GET, user=clerk)
    asked = form.cleaned_data if form.is_valid() else {}
    theatres = list(theatres_of(clerk))
    theatre = asked.get("theatre") or (theatres[0] if theatres else None)
    context = _context(request, "Shows and orders") | {"theatres": theatres, "theatre": theatre}
    if text := asked.get("q"):
        orders = queries.find_orders(clerk, text)
        if len(orders) == 1:
            return redirect("box-office-order", reference=orders[0].reference)
        context |= {"q": text, "orders": orders}
    elif theatre:
        today = business_day(timezone.now(), theatre.zone)
        day: date = asked.get("day") or today
        shows = queries.shows_of(theatre, day)
        context |= {
            "day": day,
            "is_today": day == today,
            "shows": [(show, clock(show.start_time, theatre.zone)) for show in shows],
        }
    return TemplateResponse(request, "bookings/box_office/entry.html", context)


@require_http_methods(["GET", "POST"])
def sell(request: HttpRequest, show_id: int) -> HttpResponse:
    """Show the room; a POST sells the selected seats and redirects to the order."""
    clerk = staff_user(request)
    show = get_object_or_404(queries.sellable(clerk), pk=show_id)
    seats = seats_of(show)
    if request.method != "POST":
        return _offer(request, show, seats)
    form = Sale(request.POST, seats=seats)
    if not form.is_valid():
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        token = request.POST.get("token")
        return _room(
            request, show, seats, form=form, errors=_errors(form), status=status, token=token
        )
    data = form.cleaned_data
    purchase = Purchase(
        show_id=show.pk,
        seat_ids=frozenset(data["seat"]),
        customer_name=data["customer_name"],
        customer_email=data["customer_email"],
        language=data["language"],
    )
    try:
        order = sell_at_counter(clerk=clerk, token=data["token"], purchase=purchase)
    except DomainError as refusal:
        # With the current state of the seats. Those that are still free stay selected.
        seats = seats_of(show)
        errors = [_in_words(refusal, seats)]
        return _room(request, show, seats, form=form, errors=errors, status=refusal.status)
    return redirect("box-office-order", reference=order.reference)


def _offer(request: HttpRequest, show: Show, seats: Sequence[Seat]) -> HttpResponse:
    """Show the room, with the best seats selected if a number of seats was entered."""
    if not request.GET:
        return _room(request, show, seats)
    best, error = _best(request, show)
    return _room(request, show, seats, chosen=best, errors=[error] if error else [])


@require_GET
@conditional_page
def seats_now(request: HttpRequest, show_id: int) -> HttpResponse:
    """Return the seats that are now taken; with `best`, the best seats instead."""
    clerk = staff_user(request)
    show = get_object_or_404(queries.sellable(clerk), pk=show_id)
    if not request.GET:
        seats = sorted(seats_of(show), key=attrgetter("pk"))
        taken = {seat.pk: state_of(seat) for seat in seats if not is_free(seat)}
        return JsonResponse({"taken": taken})
    best, error = _best(request, show)
    return JsonResponse({"message": error} if error else {"best": best})


@require_http_methods(["GET", "POST"])
def order_page(request: HttpRequest, reference: str) -> HttpResponse:
    """Show an order; a POST cancels the selected seats."""
    clerk = staff_user(request)
    order = _order(clerk, reference)
    # All bookings, not only active ones, so that the second of two clicks changes nothing.
    bookings = order.bookings.all()
    form = Cancellation(request.POST if request.method == "POST" else None, bookings=bookings)
    if form.is_valid():
        cancelled = cancel_at_counter(
            clerk=clerk,
            order=order,
            booking_ids=form.cleaned_data["booking"],
            reason=form.cleaned_data["reason"],
        )
        messages.success(request, _was_cancelled(order, cancelled))
        return redirect("box-office-order", reference=reference)
    return _order_page(request, order, cancellation=form)


@require_POST
def customer(request: HttpRequest, reference: str) -> HttpResponse:
    """Correct the name and address of a walk-in customer, or erase them."""
    clerk = staff_user(request)
    order = _order(clerk, reference)
    if order.user:
        raise Http404
    form = Correction(request.POST)
    if "erase" in request.POST:
        erase_customers(order_ids=[order.pk], actor=clerk)
        messages.success(request, "The customer's name and e-mail address were erased.")
    elif form.is_valid():
        data = form.cleaned_data
        correct_customer(
            order_id=order.pk,
            name=data["customer_name"],
            email=data["customer_email"],
            send_tickets=data["send_tickets"],
            actor=clerk,
        )
        messages.success(request, "The customer was saved.")
    else:
        return _order_page(request, order, correction=form)
    return redirect("box-office-order", reference=reference)


@require_http_methods(["GET", "POST"])
def move(request: HttpRequest, reference: str, booking_id: int) -> HttpResponse:
    """Show the room to select another seat; a POST moves the booking there."""
    clerk = staff_user(request)
    order = _order(clerk, reference)
    live = order.bookings.filter(cancelled_at=None).select_related("seat", "show__theatre")
    booking = get_object_or_404(live, pk=booking_id)
    form = Move(request.POST if request.method == "POST" else None)
    errors = _errors(form)
    if form.is_valid():
        data = form.cleaned_data
        try:
            move_at_counter(
                clerk=clerk, booking=booking, seat_id=data["seat"], reason=data["reason"]
            )
        except DomainError as refusal:
            errors = [_in_words(refusal, seats_of(order.show))]
        else:
            messages.success(request, f"{booking.seat} was moved. The price did not change.")
            return redirect("box-office-order", reference=reference)
    seats = seats_of(order.show)
    context = _context(request, f"Move {booking.seat}") | _facts(order)
    context |= {
        "booking": booking,
        "digits": digits_of(order.currency),
        "rows": draw_room(
            seats,
            currency=order.show.theatre.currency,
            one_only=True,
            chosen={form.data.get("seat", "")},
        ),
        "size": len(seats),
        "seats_events_url": seats_events_url(order.show_id),
        "errors": errors,
        "reason": form.data.get("reason", ""),
        "categories": categories(seats),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    return TemplateResponse(request, "bookings/box_office/move.html", context, status=status)


@require_GET
def ticket(request: HttpRequest, reference: str) -> HttpResponse:
    """Show the printable ticket of an order: one for the whole party."""
    order = _order(staff_user(request), reference)
    context = _facts(order)
    zone = order.show.theatre.zone
    with translation.override(order.language):
        context["starts"] = localized_time(order.show.start_time.astimezone(zone))
        context["bought"] = localized_time(order.created_at.astimezone(zone))
        context["total"] = localized_money(_amount(context["live"]), order.currency)
    return TemplateResponse(request, "bookings/box_office/ticket.html", context)


def _order_page(
    request: HttpRequest,
    order: Order,
    *,
    cancellation: Cancellation | None = None,
    correction: Correction | None = None,
) -> HttpResponse:
    """Show the order, with the errors of the form that was submitted."""
    submitted = correction or cancellation
    is_refused = submitted is not None and submitted.is_bound
    ticked = cancellation.data.getlist("booking") if cancellation and is_refused else []  # type: ignore[attr-defined]
    context = _context(request, f"Order {order.reference}") | _facts(order)
    context |= {"form": cancellation, "ticked": ticked, "correction": correction}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if is_refused else HTTPStatus.OK
    return TemplateResponse(request, "bookings/box_office/order.html", context, status=status)


def _was_cancelled(order: Order, cancelled: Collection[Booking]) -> str:
    if not cancelled:
        return "These seats were already cancelled."
    return (
        f"Cancelled: {len(cancelled)}, worth {_sum(cancelled, order)} {order.currency}."
        " The seats are free again."
    )


def _sum(bookings: Collection[Booking], order: Order) -> str:
    return money_text(_amount(bookings), order.currency)


def _amount(bookings: Collection[Booking]) -> Decimal:
    return sum((booking.amount for booking in bookings), Decimal(0))


def _order(clerk: User, reference: str) -> Order:
    orders = queries.orders_of(clerk).select_related("user", "sold_by").with_details()
    order: Order = get_object_or_404(orders, reference=reference)
    return order


def _best(request: HttpRequest, show: Show) -> tuple[list[int], str]:
    """Return the ids of the best seats for the party in the query, or an error."""
    form = BestSeats(request.GET)
    if not form.is_valid():
        return [], "Enter the number of seats."
    data = form.cleaned_data
    try:
        best = queries.best_seats(
            show_id=show.pk, quantity=data["best"], accessible=data["accessible"]
        )
    except DomainError as refusal:
        return [], str(refusal)
    return best, ""


def _room(
    request: HttpRequest,
    show: Show,
    seats: Sequence[Seat],
    *,
    form: Sale | None = None,
    errors: Sequence[str] = (),
    status: HTTPStatus = HTTPStatus.OK,
    chosen: Collection[int] = (),
    token: str | None = None,
) -> HttpResponse:
    """Show the room for selling, with the selected seats and the errors."""
    wanted = form.data.getlist("seat") if form else map(str, chosen)  # type: ignore[attr-defined]
    free = {str(seat.pk) for seat in seats if is_free(seat)}
    context = _context(request, "Sell") | {
        "show": show,
        "starts": local(show.start_time, show.theatre.zone),
        "rows": draw_room(
            seats,
            currency=show.theatre.currency,
            one_only=False,
            chosen=free.intersection(wanted),
        ),
        "digits": digits_of(show.theatre.currency),
        "size": len(seats),
        "free": len(free),
        "seats_events_url": seats_events_url(show.pk),
        "errors": errors,
        "form": form,
        "token": token or uuid4().hex,
        "parties": range(1, settings.MAX_SEATS_PER_ORDER + 1),
        "categories": categories(seats),
        "languages": LANGUAGES,
        "language": form.data.get("language") if form else show.theatre.language,
    }
    return TemplateResponse(request, "bookings/box_office/sell.html", context, status=status)


def _errors(form: forms.Form) -> list[str]:
    return [str(error) for errors in form.errors.values() for error in errors]


def _in_words(refusal: DomainError, seats: Sequence[Seat]) -> str:
    """Return the message of the refusal, with the names of the seats."""
    taken = set(refusal.facts.get("seat_ids", ()))
    named = ", ".join(str(seat) for seat in sorted(seats, key=Seat.place) if seat.pk in taken)
    if refusal.code == "seat_unavailable" and named:
        return f"Just taken: {named}. Nothing was sold. The other seats are still selected."
    return f"{refusal} ({named})" if named else str(refusal)


def _facts(order: Order) -> dict[str, Any]:
    zone = order.show.theatre.zone
    buyer = order.user
    live = [booking for booking in order.bookings.all() if booking.cancelled_at is None]
    return {
        "order": order,
        "show": order.show,
        "starts": local(order.show.start_time, zone),
        "bought": local(order.created_at, zone),
        "live": live,
        "total": _sum(live, order),
        "customer": buyer.name if buyer else order.customer_name,
        "email": buyer.readable_email if buyer else readable_email(order.customer_email),
    }


def _context(request: HttpRequest, title: str) -> dict[str, Any]:
    return {**admin.site.each_context(request), "title": title}


urlpatterns = [
    path("", counter_page(entry), name="box-office"),
    path("shows/<bigint:show_id>/", counter_page(sell), name="box-office-sell"),
    path("shows/<bigint:show_id>/seats/", counter_page(seats_now), name="box-office-seats"),
    path("orders/<slug:reference>/", counter_page(order_page), name="box-office-order"),
    path("orders/<slug:reference>/customer/", counter_page(customer), name="box-office-customer"),
    path("orders/<slug:reference>/ticket/", counter_page(ticket), name="box-office-ticket"),
    path(
        "orders/<slug:reference>/move/<bigint:booking_id>/",
        counter_page(move),
        name="box-office-move",
    ),
]
