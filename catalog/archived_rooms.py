"""The rooms of past shows: written as layouts, and read back as seats.

`bookings.services.archiving` stores the room before it deletes the seats that nobody booked.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal

from django.db.utils import DEFAULT_DB_ALIAS

from booking_site.api.errors import DomainError
from catalog.layouts import Layout, LayoutError, Place, Row, format_layout, parse_layout, row_order
from catalog.models import STATE_NOW, ArchivedRoom, Seat, SeatStatus, Show


class SeatsArchived(DomainError):
    """The show ended long ago, and the seats that nobody booked are archived."""

    code = "seats_archived"
    message = "The seats of this show are archived, so they can't change."


def is_archived(show_id: int) -> bool:
    return ArchivedRoom.objects.filter(pk=show_id).exists()


def seats_of(show: Show) -> list[Seat]:
    """Return all seats of the show, archived ones too, each with its `state_now`."""
    stored = list(
        Seat.objects.filter(show=show).annotate(state_now=STATE_NOW).order_by("row", "number")
    )
    # Read second, and without seats already read: the room may be archived between the two reads.
    ids = {seat.pk for seat in stored}
    return [*stored, *(seat for seat in archived_seats(show.pk) if seat.pk not in ids)]


def archived_seats(show_id: int, using: str = DEFAULT_DB_ALIAS) -> list[Seat]:
    """Return the seats of the show whose rows have been deleted, in the order of the layout."""
    room = ArchivedRoom.objects.using(using).filter(pk=show_id).first()
    if room is None or not room.layout:
        return []
    places = parse_layout(room.layout).places
    entries = zip(places, room.seat_ids, room.prices, room.block_reasons, strict=True)
    seats = []
    for place, seat_id, price, block_reason in entries:
        if seat_id is None or price is None:
            continue
        seat = Seat(
            pk=seat_id,
            show_id=show_id,
            row=place.row,
            number=place.number,
            section=place.section,
            category=place.category,
            price=price,
            status=SeatStatus.AVAILABLE if block_reason is None else SeatStatus.BLOCKED,
            block_reason=block_reason or "",
        )
        if room.has_positions:
            seat.x, seat.y = place.x, place.y
        seat.state_now = seat.status  # type: ignore[attr-defined] # annotated on rows
        seats.append(seat)
    return seats


def archived_room(*, show_id: int, seats: Sequence[Seat], unsold: Collection[Seat]) -> ArchivedRoom:
    """Return the room of a show with these seats, unsaved; `unsold` are those to be deleted.

    None may be deleted if its `layout` is empty.
    """
    has_positions = any(seat.x is not None or seat.y is not None for seat in seats)
    places = _places(seats) if has_positions else _places_by_name(seats)
    layout = _layout_text(places.keys()) if len(places) == len(seats) else ""
    order = [places[place] for place in parse_layout(layout).places] if layout else []
    gone = {seat.pk: seat for seat in unsold}
    entries = [gone.get(seat.pk) for seat in order]
    return ArchivedRoom(
        show_id=show_id,
        layout=layout,
        has_positions=has_positions,
        seat_ids=[seat and seat.pk for seat in entries],
        prices=[seat and seat.price for seat in entries],
        block_reasons=[
            seat.block_reason if seat and seat.status == SeatStatus.BLOCKED else None
            for seat in entries
        ],
        lowest_prices=lowest_prices(
            (seat.category, seat.price)
            for seat in entries
            if seat and seat.status != SeatStatus.BLOCKED
        ),
    )


def lowest_prices(seats: Iterable[tuple[str, Decimal]]) -> dict[str, str]:
    """Return the lowest price of each category of these seats."""
    prices: dict[str, Decimal] = {}
    for category, price in seats:
        prices[category] = min(price, prices.get(category, price))
    return {category: str(price) for category, price in prices.items()}


def _places(seats: Iterable[Seat]) -> dict[Place, Seat]:
    return {
        Place(seat.row, seat.number, seat.x, seat.y, seat.category, seat.section): seat
        for seat in seats
        if seat.x is not None and seat.y is not None
    }


def _places_by_name(seats: Iterable[Seat]) -> dict[Place, Seat]:
    """Place the seats of plain SQL, which have no positions, side by side in rows from A."""
    rows = defaultdict(list)
    for seat in sorted(seats, key=Seat.place):
        rows[seat.row].append(seat)
    return {
        Place(seat.row, seat.number, x, y, seat.category, seat.section): seat
        for y, label in enumerate(sorted(rows, key=row_order))
        for x, seat in enumerate(rows[label])
    }


def _layout_text(places: Collection[Place]) -> str:
    """Return the layout with exactly these places; "" if no layout describes them."""
    rows = defaultdict(list)
    for place in sorted(places, key=lambda place: (place.y, place.x)):
        rows[place.row].append(place)
    layout = Layout(
        tuple(Row(label, of[0].y, tuple(of), of[0].section) for label, of in rows.items())
    )
    text = format_layout(layout)
    try:
        is_exact = set(parse_layout(text).places) == set(places)
    except LayoutError:
        return ""
    return text if is_exact else ""
