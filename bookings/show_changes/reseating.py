"""Moves the seats of a show that changes screens: plans who sits where, then writes it.

The row of a sold or held seat stays, with its bookings and holds, and gets the place that
`seat_choice.remap` finds. The rows of free seats are deleted and new ones inserted, so that an
id that a customer has on the screen never names another seat.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from http import HTTPStatus
from typing import NamedTuple

from django.db.models import F

from booking_site.api.errors import DomainError
from bookings import seat_choice
from bookings.models import Booking
from catalog.layouts import Layout, Place
from catalog.models import Seat, SeatStatus, Show
from catalog.seat_changes import publish_seat_changes
from catalog.seat_maps import check_prices, copy_seats, prices_of, require_expressible

# Added to seat numbers while seats change places. No layout has so many seats.
OUT_OF_THE_WAY = 1_000_000
# The columns of a seat's place, and those that are reset when it becomes free.
PLACED = ("row", "number", "section", "x", "y", "category")
FREED = ("price", "status", "block_reason", "hold_id", "held_until")


class LayoutMissing(DomainError):
    """The screen has no layout, so a show with seats cannot move to it."""

    code = "layout_missing"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class SeatChange(NamedTuple):
    """A sold or held seat and where it goes."""

    seat_id: int
    was: str
    becomes: Place
    party: str
    is_held: bool
    is_better: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reseating:
    """`layout` is that of the new room; None if the seats stay as they are."""

    layout: Layout | None = None
    changes: tuple[SeatChange, ...] = ()  # party by party
    taken: int = 0  # sold or held
    blocked: int = 0  # blocked seats, which are free in the new room

    @property
    def parties(self) -> dict[str, list[SeatChange]]:
        parties: dict[str, list[SeatChange]] = defaultdict(list)
        for change in self.changes:
            parties[change.party].append(change)
        return dict(parties)


def plan_reseating(*, before: Show, show: Show) -> Reseating:
    """Return the new places for the seats of a show that moves to another screen.

    Raise LayoutMissing, PriceMissing or NoEqualSeats.
    """
    seats = list(Seat.objects.filter(show=show).order_by("pk"))
    taken = Seat.objects.filter(show=show).taken().in_bulk()
    if not seats or show.screen_id == before.screen_id:
        return Reseating(taken=len(taken))
    layout = show.screen.parsed_layout if show.screen else None
    if layout is None:
        raise LayoutMissing(f"{show.screen} has no layout. Draw one first.")
    places = list(layout.places)
    if {(p.row, p.number, p.section, p.x, p.y, p.category) for p in places} == {
        (s.row, s.number, s.section, s.x, s.y, s.category) for s in seats
    }:
        return Reseating(taken=len(taken))
    check_prices(layout, _prices(show, seats))
    return Reseating(
        layout=layout,
        changes=tuple(_changes(show, seats, taken, places)),
        taken=len(taken),
        blocked=sum(seat.status == SeatStatus.BLOCKED for seat in seats),
    )


def apply_reseating(show: Show, reseating: Reseating) -> list[str]:
    """Write the planned places. The caller has locked the seats of the show.

    Return the names of orphaned seats: only cancelled bookings refer to them, and the new room
    lacks them. These bookings then refer to another seat.
    """
    if reseating.layout is None:
        return []
    seats = Seat.objects.filter(show=show).in_bulk()
    prices = _prices(show, list(seats.values()))
    goals = {change.seat_id: change.becomes for change in reseating.changes}
    goals |= (freed := _namesakes(show, seats, goals, reseating.layout))
    # Otherwise names would collide: A1 becomes A2 while A2 still exists.
    Seat.objects.filter(pk__in=seats).update(number=F("number") + OUT_OF_THE_WAY)
    for seat_id in freed:
        seat = seats[seat_id]
        seat.price, seat.status = prices[freed[seat_id].category], SeatStatus.AVAILABLE
        seat.block_reason, seat.hold_id, seat.held_until = "", None, None
    _place(seats, goals)
    copy_seats([(show.pk, _around(reseating.layout, goals.values()), prices)])
    gone = Seat.objects.filter(pk__in=seats.keys() - goals.keys())
    bookings = Booking.objects.filter(show=show, seat__in=gone).order_by("pk")
    orphaned = [str(seats[seat_id]) for seat_id in bookings.values_list("seat_id", flat=True)]
    if orphaned:
        bookings.update(seat=Seat.objects.filter(show=show).exclude(pk__in=gone).earliest("pk"))
    gone.delete()
    publish_seat_changes([show.pk])
    return orphaned


def _changes(
    show: Show, seats: list[Seat], taken: dict[int, Seat], places: list[Place]
) -> list[SeatChange]:
    old = seat_choice.places_from(
        (s.pk, s.row, s.number, s.x, s.y, s.category, s.pk not in taken) for s in seats
    )
    room = {place.id: place for place in old}
    names = _parties(show, taken)
    members: dict[str, list[seat_choice.Place]] = defaultdict(list)
    for seat_id in taken:
        members[names[seat_id]].append(room[seat_id])
    new = [
        seat_choice.Place(index, p.row, p.number, p.x, p.y, p.category, True)
        for index, p in enumerate(places)
    ]
    found = seat_choice.remap(
        old=old,
        parties=[seat_choice.Party(name, tuple(seats)) for name, seats in members.items()],
        new=new,
    )
    changes = [
        SeatChange(
            seat_id=seat_id,
            was=str(taken[seat_id]),
            becomes=places[place.id],
            party=names[seat_id],
            is_held=taken[seat_id].status == SeatStatus.HELD,
            is_better=place.category != taken[seat_id].category,
        )
        for seat_id, place in found.items()
    ]
    return sorted(changes, key=lambda change: (change.party, taken[change.seat_id].place()))


def _parties(show: Show, taken: dict[int, Seat]) -> dict[int, str]:
    """Return each seat's party by id: the order's reference, or a label such as `Hold 1f2e3d4c`."""
    names = {seat.pk: f"Hold {str(seat.hold_id)[:8]}" for seat in taken.values() if seat.hold_id}
    live = Booking.objects.filter(show=show, cancelled_at__isnull=True).select_related("order")
    for booking in live:
        # Bookings of the original system have no order: one party for each customer.
        names[booking.seat_id] = booking.order_reference or f"Customer {booking.user_id}"
    return names


def _prices(show: Show, seats: Sequence[Seat]) -> dict[str, Decimal]:
    """Return the prices of free seats in the new room: the card's, else those of the old room."""
    prices: dict[str, Decimal] = {}
    for seat in seats:
        prices[seat.category] = min(seat.price, prices.get(seat.category, seat.price))
    of_card = prices_of(show.price_card) if show.price_card else {}
    require_expressible(of_card, show.theatre.currency)
    return prices | of_card


def _namesakes(
    show: Show, seats: Mapping[int, Seat], goals: Mapping[int, Place], layout: Layout
) -> dict[int, Place]:
    """Return the places of free seats that cancelled bookings refer to and the new room has too."""
    used = {(place.row, place.number) for place in goals.values()}
    free = {(p.row, p.number): p for p in layout.places if (p.row, p.number) not in used}
    named = Booking.objects.filter(show=show).exclude(seat__in=goals.keys())
    return {
        seat_id: free[seats[seat_id].row, seats[seat_id].number]
        for seat_id in named.values_list("seat_id", flat=True)
        if (seats[seat_id].row, seats[seat_id].number) in free
    }


def _place(seats: Mapping[int, Seat], goals: Mapping[int, Place]) -> None:
    moving = []
    for seat_id, place in goals.items():
        seat = seats[seat_id]
        seat.row, seat.number, seat.x, seat.y = place.row, place.number, place.x, place.y
        seat.category, seat.section = place.category, place.section
        moving.append(seat)
    Seat.objects.bulk_update(moving, [*PLACED, *FREED])


def _around(layout: Layout, used: Iterable[Place]) -> Layout:
    """Return the layout without the places in use."""
    taken = {(place.row, place.number) for place in used}
    rows = (
        replace(row, places=tuple(p for p in row.places if (p.row, p.number) not in taken))
        for row in layout.rows
    )
    return Layout(tuple(rows))
