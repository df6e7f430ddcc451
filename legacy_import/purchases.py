"""Converts the original's bookings: each becomes a booking with its own order."""

from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import normalize

from django.utils import timezone

from bookings.models import Booking, Channel, Order
from bookings.services.sales import new_reference
from catalog.models import Seat, SeatStatus, Show
from catalog.seat_changes import publish_seat_changes
from legacy_import.id_map import IdMap
from legacy_import.source import Row, Source
from legacy_import.users import LONGEST, BatchResult, clean_address


@dataclass
class _References:
    """What the bookings of a batch refer to, by original id: ids and rows of this database."""

    users: dict[int, int]
    without_account: dict[int, Row]  # the original's rows
    shows: dict[int, int]
    currencies: dict[int, str]  # by show id of this database
    seats: dict[int, Seat]
    archived: set[int]  # original ids of seats
    sold: set[int]  # ids of seats
    held: set[int]


def convert_bookings(batch: Sequence[Row], id_map: IdMap, source: Source) -> BatchResult:
    """Lock the seats and sell them to the same customers; a seat's first booking wins.

    A customer without an account here becomes a customer of the box office, with
    name and e-mail address.
    """
    references = _load_references(batch, id_map, source)
    result = BatchResult()
    chosen: list[tuple[Row, Order]] = []
    for row in batch:
        if problem := _problem(row, references):
            result.rejected.append((row["id"], problem))
            continue
        seat = references.seats[row["seat_id"]]
        references.sold.add(seat.pk)
        chosen.append((row, _order(row, seat, references)))
        if row["user_id"] not in references.users:
            result.adjusted.append((row["id"], "no account, so booked as a box office order"))
    orders = Order.objects.bulk_create(order for _, order in chosen)
    for (row, _), order in zip(chosen, orders, strict=True):
        seat = references.seats[row["seat_id"]]
        values = {
            "user_id": order.user_id,
            "show_id": seat.show_id,
            "seat_id": seat.pk,
            "order_id": order.pk,
            "price": seat.price,
            "booked_at": order.created_at,
        }
        result.rows.append((row["id"], values))
    Seat.objects.filter(pk__in=[values["seat_id"] for _, values in result.rows]).update(
        status=SeatStatus.BOOKED, block_reason="", hold_id=None, held_until=None
    )
    publish_seat_changes(values["show_id"] for _, values in result.rows)
    return result


def _load_references(batch: Sequence[Row], id_map: IdMap, source: Source) -> _References:
    users = id_map.existing("users", [row["user_id"] for row in batch])
    shows = id_map.existing("shows", [row["show_id"] for row in batch])
    ids = id_map.known("seats", [row["seat_id"] for row in batch])
    seats = Seat.objects.filter(pk__in=ids.values()).order_by("pk")
    locked = {seat.pk: seat for seat in seats.select_for_update(of=("self",), no_key=True)}
    sold = Booking.objects.filter(seat_id__in=locked, cancelled_at=None)
    return _References(
        users=users,
        without_account=source.rows(
            "users",
            [row["user_id"] for row in batch if row["user_id"] and row["user_id"] not in users],
        ),
        shows=shows,
        currencies=dict(
            Show.objects.filter(pk__in=shows.values()).values_list("pk", "theatre__currency")
        ),
        seats={original: locked[pk] for original, pk in ids.items() if pk in locked},
        archived={original for original, pk in ids.items() if pk not in locked},
        sold=set(sold.values_list("seat_id", flat=True)),
        held=set(
            Seat.objects.filter(pk__in=locked, status=SeatStatus.HELD)
            .taken()
            .values_list("pk", flat=True)
        ),
    )


def _problem(row: Row, references: _References) -> str | None:
    seat = references.seats.get(row["seat_id"])
    if row["user_id"] not in references.users and row["user_id"] not in references.without_account:
        return "its user does not exist"
    if row["show_id"] not in references.shows:
        return "its show does not exist or was not imported"
    if row["seat_id"] in references.archived:
        return "its seat was deleted or is archived here"
    if seat is None:
        return "its seat does not exist or was not imported"
    if seat.show_id != references.shows[row["show_id"]]:
        return "its seat belongs to another show"
    if seat.pk in references.sold:
        return "its seat is booked by someone else"
    if seat.pk in references.held:
        return "its seat is on hold here: run the import again later"
    return None


def _order(row: Row, seat: Seat, references: _References) -> Order:
    order = Order(
        reference=new_reference(),
        show_id=seat.show_id,
        total=seat.price,
        currency=references.currencies[seat.show_id],
        created_at=row["booked_at"] or timezone.now(),
    )
    if row["user_id"] in references.users:
        order.user_id = references.users[row["user_id"]]
    else:
        customer = references.without_account[row["user_id"]]
        order.channel = Channel.BOX_OFFICE
        order.customer_name = normalize("NFC", customer["name"] or "")[: LONGEST["name"]]
        order.customer_email = clean_address(customer["email"]) or ""
    return order
