"""No single gap: which choices leave a seat alone, and what to choose instead."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from http import HTTPStatus
from itertools import accumulate
from operator import itemgetter
from typing import ClassVar, NamedTuple

from booking_site.errors import DomainError
from bookings.seat_choice.room import ORDINARY, PREMIUM, STANDARD, Place, Run, listed, runs_of


class SingleSeatGap(DomainError):
    """`seat_ids` need not be left alone; each of `alternatives` (lists of ids) is accepted."""

    code: ClassVar[str] = "single_seat_gap"
    status: ClassVar[HTTPStatus] = HTTPStatus.UNPROCESSABLE_ENTITY


def new_gaps(places: Iterable[Place], chosen: Collection[int]) -> list[int]:
    """Return the ids of the seats that choosing `chosen` newly leaves alone.

    Such a seat is free, standard or premium, and between two seats of its run
    that are taken or chosen, at least one of them chosen.
    """
    return [place.id for run in runs_of(places) for place in _gaps(run, set(chosen))]


def alternatives(
    places: Iterable[Place], chosen: Collection[int], *, limit: int = 3
) -> list[list[int]]:
    """Return up to `limit` choices to make instead, nearest first; [] if `chosen` may stand.

    Each run is judged by itself. Where it is left with a new gap, only such
    choices count as others that leave none: as many seats of each category, in
    the same run, in no more parts than chosen, with the same bays and companion
    seats. Nobody is told to sit apart, to pay more or to change bays for the
    sake of a gap. A run without any such choice is exempt and stays as chosen.

    `places` holds at least every seat of the lines in which seats are chosen;
    the chosen ones are free.
    """
    wish = set(chosen)
    refused = False
    nearest: list[tuple[int, list[int]]] = [(0, [])]
    for run in runs_of(places):
        others = _rearrangements(run, wish, limit) if _gaps(run, wish) else []
        refused = refused or bool(others)
        kept = (0, [place.id for place in run if place.id in wish])
        nearest = sorted(
            (
                (distance + further, ids + more)
                for distance, ids in nearest
                for further, more in others or [kept]
            ),
            key=itemgetter(0),
        )[:limit]
    return [ids for _, ids in nearest] if refused else []


def refuse_gap(places: Iterable[Place], chosen: Collection[int]) -> None:
    """Raise SingleSeatGap if `chosen` leaves a gap that `alternatives` could avoid."""
    places = list(places)
    if others := alternatives(places, chosen):
        unavoidable = new_gaps(places, others[0])  # in runs that are exempt
        gaps = set(new_gaps(places, chosen)).difference(unavoidable)
        alone = [place for place in places if place.id in gaps]
        raise SingleSeatGap(
            f"This would leave {listed(alone)} alone between taken seats. "
            "Please choose other seats.",
            seat_ids=[place.id for place in alone],
            alternatives=others,
        )


def _gaps(run: Run, chosen: set[int]) -> list[Place]:
    return [
        place
        for left, place, right in zip(run, run[1:], run[2:], strict=False)
        if (left.id in chosen or right.id in chosen)
        and (left.id in chosen or not left.free)
        and (right.id in chosen or not right.free)
        and place.free
        and place.id not in chosen
        and place.category in ORDINARY
    ]


_OPEN, _TAKEN, _CHOSEN = range(3)


class _State(NamedTuple):
    """All that the places of a run up to here mean for those to come."""

    before: int  # the last place but one: _OPEN (as is a wall), _TAKEN or _CHOSEN
    here: int  # the last place
    parts: int
    standard: int  # seats moved so far
    premium: int


class _Partial(NamedTuple):
    """A rearrangement of the places before `-ahead`, in the order in which to go on."""

    distance: int
    parts: int
    ahead: int
    picks: tuple[int, ...]
    state: _State


@dataclass(frozen=True, slots=True)
class _Wish:
    """What was chosen in one run, as indices: of bays and companion seats, and of others."""

    run: Run
    fixed: frozenset[int]
    moving: frozenset[int]
    parts: int
    standard: int
    premium: int

    @classmethod
    def of(cls, run: Run, chosen: set[int]) -> "_Wish":
        indices = frozenset(index for index, place in enumerate(run) if place.id in chosen)
        moving = frozenset(index for index in indices if run[index].category in ORDINARY)
        return cls(
            run=run,
            fixed=indices - moving,
            moving=moving,
            parts=sum(index - 1 not in indices for index in indices),
            standard=sum(run[index].category == STANDARD for index in moving),
            premium=sum(run[index].category == PREMIUM for index in moving),
        )

    def marks(self, index: int) -> tuple[int, ...]:
        """Return what may become of the place: only free ordinary seats are open to choice."""
        place = self.run[index]
        if index in self.fixed:
            return (_CHOSEN,)
        if not place.free:
            return (_TAKEN,)
        return (_OPEN, _CHOSEN) if place.category in ORDINARY else (_OPEN,)

    def after(self, state: _State, index: int, mark: int) -> _State | None:
        """Return the state once the place at `index` is so marked, None if it may not be."""
        before, here, parts, standard, premium = state
        alone = here == _OPEN and before and mark and _CHOSEN in (before, mark)
        if alone and self.run[index - 1].category in ORDINARY:
            return None
        if mark == _CHOSEN:
            category = self.run[index].category
            parts += here != _CHOSEN
            standard += category == STANDARD
            premium += category == PREMIUM
            if parts > self.parts or standard > self.standard or premium > self.premium:
                return None
        return _State(here, mark, parts, standard, premium)


def _rearrangements(run: Run, chosen: set[int], limit: int) -> list[tuple[int, list[int]]]:
    """Return (distance, ids) of the nearest choices for `run` that `alternatives` allows.

    The distance is how many places the buyers move in all, nobody passing
    another: between any two neighbouring places as many pass as there are more
    or fewer seats chosen than wished on the one side. So it grows from left to
    right, and Dijkstra's algorithm finds the nearest first: equal states at
    equal places have equal futures, and only the `limit` nearest are followed.
    """
    wish = _Wish.of(run, chosen)
    wished = list(accumulate(index in wish.moving for index in range(len(run))))
    marks = [wish.marks(index) for index in range(len(run))]
    found: list[tuple[int, list[int]]] = []
    followed: Counter[tuple[int, _State]] = Counter()
    waiting = [_Partial(0, 0, 0, (), _State(_OPEN, _OPEN, parts=0, standard=0, premium=0))]
    while waiting and len(found) < limit:
        distance, _, ahead, picks, state = heappop(waiting)
        followed[ahead, state] += 1
        if followed[ahead, state] > limit:
            continue
        index = -ahead
        if index == len(run):
            if (state.standard, state.premium) == (wish.standard, wish.premium):
                found.append((distance, [run[pick].id for pick in picks]))
            continue
        for mark in marks[index]:
            after = wish.after(state, index, mark)
            if after and followed[ahead - 1, after] < limit:
                further = distance + abs(after.standard + after.premium - wished[index])
                chain = (*picks, index) if mark == _CHOSEN else picks
                heappush(waiting, _Partial(further, after.parts, ahead - 1, chain, after))
    return found
