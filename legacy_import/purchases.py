"""The original's bookings: each becomes a booking with an order of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from bookings.models import Booking, Channel, Order
from bookings.services.sales import new_reference
from catalog.models import Seat, SeatStatus, Show
from legacy_import.id_map import IdMap
from legacy_import.source import Row, Source
from legacy_import.users import LONGEST_NAME, Outcome, clean_address


@dataclass
class _World:
    """What the bookings of a batch refer to; ours by the original's ids."""

    users: dict[int, int]
    strangers: dict[int, Row]
    shows: dict[int, int]
    currencies: dict[int, str]
    seats: dict[int, Seat]
    sold: set[int]
    held: set[int]


def take_bookings(batch: Sequence[Row], id_map: IdMap, source: Source) -> Outcome:
    """Sell the seats again, locked, to whom they were sold; the first booking of a seat counts.

    Who has no account here of their own keeps the seat all the same, as a
    customer of the box office under name and e-mail address.
    """
    world = _look(batch, id_map, source)
    outcome = Outcome()
    chosen: list[tuple[Row, Order]] = []
    for row in batch:
        if flaw := _flaw(row, world):
            outcome.refused.append((row["id"], flaw))
            continue
        seat = world.seats[row["seat_id"]]
        world.sold.add(seat.pk)
        chosen.append((row, _order(row, seat, world)))
        if row["user_id"] not in world.users:
            outcome.changed.append((row["id"], "sold as by the box office, to no account"))
    orders = Order.objects.bulk_create(order for _, order in chosen)
    for (row, _), order in zip(chosen, orders, strict=True):
        outcome.rows.append((row["id"], _booking(world.seats[row["seat_id"]], order)))
    Seat.objects.filter(pk__in=[values["seat_id"] for _, values in outcome.rows]).update(
        status=SeatStatus.BOOKED, block_reason="", hold_id=None, held_until=None
    )
    return outcome


def _look(batch: Sequence[Row], id_map: IdMap, source: Source) -> _World:
    users = id_map.known("users", [row["user_id"] for row in batch])
    shows = id_map.known("shows", [row["show_id"] for row in batch])
    own = id_map.known("seats", [row["seat_id"] for row in batch])
    seats = Seat.objects.filter(pk__in=own.values()).order_by("pk")
    locked = {seat.pk: seat for seat in seats.select_for_update(of=("self",), no_key=True)}
    sold = Booking.objects.filter(seat_id__in=locked, cancelled_at=None)
    return _World(
        users=users,
        strangers=source.rows(
            "users",
            [row["user_id"] for row in batch if row["user_id"] and row["user_id"] not in users],
        ),
        shows=shows,
        currencies=dict(
            Show.objects.filter(pk__in=shows.values()).values_list("pk", "theatre__currency")
        ),
        seats={original: locked[pk] for original, pk in own.items() if pk in locked},
        sold=set(sold.values_list("seat_id", flat=True)),
        held=set(
            Seat.objects.filter(pk__in=locked, status=SeatStatus.HELD)
            .taken()
            .values_list("pk", flat=True)
        ),
    )


def _flaw(row: Row, world: _World) -> str | None:
    seat = world.seats.get(row["seat_id"])
    if row["user_id"] not in world.users and row["user_id"] not in world.strangers:
        return "its user is missing"
    if row["show_id"] not in world.shows:
        return "its show is missing or was not taken"
    if seat is None:
        return "its seat is missing or was not taken"
    if seat.show_id != world.shows[row["show_id"]]:
        return "its seat is of another show"
    if seat.pk in world.sold:
        return "its seat has another booking"
    if seat.pk in world.held:
        return "a customer holds its seat at this moment: run this again"
    return None


def _order(row: Row, seat: Seat, world: _World) -> Order:
    order = Order(
        reference=new_reference(),
        show_id=seat.show_id,
        total=seat.price,
        currency=world.currencies[seat.show_id],
        created_at=_moment(row),
    )
    if row["user_id"] in world.users:
        order.user_id = world.users[row["user_id"]]
    else:
        stranger = world.strangers[row["user_id"]]
        order.channel = Channel.BOX_OFFICE
        order.customer_name = (stranger["name"] or "")[:LONGEST_NAME]
        order.customer_email = clean_address(stranger["email"]) or ""
    return order


def _booking(seat: Seat, order: Order) -> dict[str, Any]:
    return {
        "user_id": order.user_id,
        "show_id": seat.show_id,
        "seat_id": seat.pk,
        "order_id": order.pk,
        "price": seat.price,
        "booked_at": order.created_at,
    }


def _moment(row: Row) -> datetime:
    booked_at: datetime = row["booked_at"] or timezone.now()
    return booked_at
