"""Companion seats: kept for whoever has a wheelchair bay beside them."""

from collections.abc import Collection, Iterable, Iterator
from http import HTTPStatus
from itertools import groupby
from operator import attrgetter
from typing import ClassVar

from booking_site.api.errors import DomainError
from bookings.seat_choice.room import COMPANION, WHEELCHAIR, Place, Run, listed, runs_of


class CompanionRequired(DomainError):
    """The companion seats `seat_ids` are kept for whoever has a bay beside them."""

    code: ClassVar[str] = "companion_required"
    status: ClassVar[HTTPStatus] = HTTPStatus.UNPROCESSABLE_ENTITY


def companions_without_bay(
    places: Iterable[Place], chosen: Collection[int], *, owned: Collection[int]
) -> list[int]:
    """Return the ids of the chosen companion seats whose bays the buyer does not have.

    Companion seats side by side belong to the bays that follow on either side
    of them; `owned` are the seats that the buyer holds or has booked. One bay
    is enough for all of them; without any bay nobody can have them.
    """
    return [place.id for place in _lone_companions(places, set(chosen), set(owned))]


def refuse_lone_companions(
    places: Iterable[Place], chosen: Collection[int], *, owned: Collection[int]
) -> None:
    """Raise CompanionRequired if `companions_without_bay` finds any."""
    if lone := _lone_companions(places, set(chosen), set(owned)):
        raise CompanionRequired(
            f"{listed(lone)} can only be had together with a wheelchair place beside it.",
            seat_ids=[place.id for place in lone],
        )


def bays_beside(run: Run) -> Iterator[tuple[Place, set[int]]]:
    """Yield each place of the run with the ids of its bays: none unless it is a companion seat."""
    groups = [(name, list(seats)) for name, seats in groupby(run, attrgetter("category"))]
    for index, (category, seats) in enumerate(groups):
        beside = groups[max(index - 1, 0) : index + 2] if category == COMPANION else []
        bays = {bay.id for name, near in beside if name == WHEELCHAIR for bay in near}
        for seat in seats:
            yield seat, bays


def _lone_companions(places: Iterable[Place], chosen: set[int], owned: set[int]) -> list[Place]:
    mine = chosen | owned
    return [
        seat
        for run in runs_of(places)
        for seat, bays in bays_beside(run)
        if seat.category == COMPANION and seat.id in chosen and mine.isdisjoint(bays)
    ]
