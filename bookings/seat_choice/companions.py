"""Companion seats, which are reserved for parties with a wheelchair bay beside them."""

from collections.abc import Collection, Iterable, Iterator
from http import HTTPStatus
from itertools import groupby
from operator import attrgetter

from django.utils.translation import gettext_lazy as _

from booking_site.api.errors import DomainError
from booking_site.api.openapi.values import ids
from bookings.seat_choice.room import COMPANION, WHEELCHAIR, Place, Run, listed, runs_of


class CompanionRequired(DomainError):
    """The companion seats `seat_ids` are reserved for parties that also book a bay beside them."""

    code = "companion_required"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    members = {"seat_ids": ids("The companion seats.")}


def lone_companions(
    places: Iterable[Place], chosen: Collection[int], *, owned: Collection[int]
) -> list[Place]:
    """Return the chosen companion seats whose bays the buyer does not have.

    Adjacent companion seats belong to the bays on either side of them, and one of these bays is
    enough for all of them. `owned` are the seats that the buyer holds or has booked.
    """
    mine = {*chosen, *owned}
    return [
        seat
        for run in runs_of(places)
        for seat, bays in bays_beside(run)
        if seat.category == COMPANION and seat.id in chosen and mine.isdisjoint(bays)
    ]


def refuse_lone_companions(
    places: Iterable[Place], chosen: Collection[int], *, owned: Collection[int]
) -> None:
    """Raise CompanionRequired if `lone_companions` finds any."""
    if lone := lone_companions(places, chosen, owned=owned):
        raise CompanionRequired(
            _("%(seats)s: only available together with a wheelchair bay beside it.")
            % {"seats": listed(lone)},
            seat_ids=[place.id for place in lone],
        )


def bays_beside(run: Run) -> Iterator[tuple[Place, set[int]]]:
    """Yield each place of the run with the ids of its bays, which only companion seats have."""
    groups = [(name, list(seats)) for name, seats in groupby(run, attrgetter("category"))]
    for index, (category, seats) in enumerate(groups):
        beside = groups[max(index - 1, 0) : index + 2] if category == COMPANION else []
        bays = {bay.id for name, near in beside if name == WHEELCHAIR for bay in near}
        for seat in seats:
            yield seat, bays
