"""The gap rule: finds selections that leave a single seat, and alternatives to them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from http import HTTPStatus
from itertools import accumulate, groupby
from math import inf
from operator import add, itemgetter

from django.utils.translation import gettext_lazy as _

from booking_site.api.errors import DomainError
from booking_site.api.openapi.values import ids
from bookings.seat_choice.room import ORDINARY, PREMIUM, STANDARD, Place, Run, listed, runs_of


class SingleSeatGap(DomainError):
    """The selection would leave `seat_ids` as single seats; any of `alternatives` is accepted."""

    code = "single_seat_gap"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    members = {
        "seat_ids": ids("The seats that would be left single."),
        "alternatives": {
            "type": "array",
            "description": "Other selections that are accepted, the nearest first.",
            "items": ids("A whole selection."),
            "maxItems": 3,
        },
    }


def new_gaps(places: Iterable[Place], chosen: Collection[int]) -> list[int]:
    """Return the ids of the seats that the selection newly leaves single.

    Such a seat is free, standard or premium, and between two seats of its run that are taken or
    chosen, at least one of them chosen.
    """
    return [place.id for run in runs_of(places) for place in _gaps(run, set(chosen))]


def alternatives(
    places: Iterable[Place], chosen: Collection[int], *, limit: int = 3
) -> list[list[int]]:
    """Return up to `limit` other selections, nearest first; [] if `chosen` is acceptable.

    Each run is checked separately. An alternative leaves no new gap, and has as many seats of
    each category, in the same run, in no more parts, with the same bays and companion seats: no
    customer must sit apart, pay more or change bays because of a gap. A run without alternatives
    is exempt.

    `places` has at least every seat of the lines with chosen seats. The chosen seats are free.
    """
    selection = set(chosen)
    refused = False
    nearest: list[tuple[int, list[int]]] = [(0, [])]
    for run in runs_of(places):
        others = _rearrangements(run, selection, limit) if _gaps(run, selection) else []
        refused = refused or bool(others)
        unchanged = (0, [place.id for place in run if place.id in selection])
        nearest = sorted(
            (
                (distance + further, ids + more)
                for distance, ids in nearest
                for further, more in others or [unchanged]
            ),
            key=itemgetter(0),
        )[:limit]
    return [ids for _, ids in nearest] if refused else []


def refuse_gap(places: Iterable[Place], chosen: Collection[int]) -> None:
    """Raise SingleSeatGap if `chosen` leaves a gap and there are `alternatives`."""
    places = list(places)
    if others := alternatives(places, chosen):
        unavoidable = new_gaps(places, others[0])  # in runs that are exempt
        gaps = set(new_gaps(places, chosen)).difference(unavoidable)
        alone = [place for place in places if place.id in gaps]
        raise SingleSeatGap(
            _(
                "This would leave a single free seat between taken ones: %(seats)s. "
                "Please choose other seats."
            )
            % {"seats": listed(alone)},
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


# The state of a place for its right neighbour. A wall is open, as are bays and companion seats.
_OPEN, _TAKEN, _CHOSEN, _OPEN_AFTER_TAKEN, _OPEN_AFTER_CHOSEN = range(5)

# For each state of the previous place, in the order above, the states that a place can have.
# An open seat can be between two taken places, but not between a chosen one and another.
_Choices = tuple[tuple[int, ...], ...]
_FIXED: _Choices = ((_CHOSEN,), (_CHOSEN,), (_CHOSEN,), (), ())
_SOLD: _Choices = ((_TAKEN,), (_TAKEN,), (_TAKEN,), (_TAKEN,), ())
_LEFT_OPEN: _Choices = ((_OPEN,),) * 5
_OPEN_TO_CHOICE: _Choices = (
    (_OPEN, _CHOSEN),
    (_OPEN_AFTER_TAKEN, _CHOSEN),
    (_OPEN_AFTER_CHOSEN, _CHOSEN),
    (_OPEN,),
    (_OPEN,),
)


# A rearrangement of the places before the index `-ahead`, as a plain tuple because there are
# thousands, sorted in the order in which the search continues: the least distance it can have;
# its parts; `ahead`; the chosen indices; the distance so far; the state of the last place; the
# numbers of standard and premium seats chosen.
_Partial = tuple[float, int, int, tuple[int, ...], int, int, int, int]


def _choices(place: Place, *, is_chosen: bool) -> _Choices:
    """Return the states that the place can have: only free ordinary seats can change."""
    if is_chosen and place.category not in ORDINARY:
        return _FIXED
    if not place.free:
        return _SOLD
    return _OPEN_TO_CHOICE if place.category in ORDINARY else _LEFT_OPEN


def _least_to_come(
    choices: list[_Choices], selected: list[int], moving: int
) -> list[list[list[float]]]:
    """Return the least remaining distance, by index, state of the previous place and seats moved.

    It ignores parts and categories, so the real distance can be greater but never less.
    """
    never = [inf] * (moving + 1)
    to_come: list[list[float]] = [[*never[1:], 0]] * 5
    by_index = [to_come]
    for states, count in zip(reversed(choices), reversed(selected), strict=True):
        passing = [abs(moved - count) for moved in range(moving + 1)]
        here = [list(map(add, passing, row)) for row in to_come]
        if states is _OPEN_TO_CHOICE:
            here[_CHOSEN] = [*here[_CHOSEN][1:], inf]
        to_come = [
            list(map(min, here[state[0]], here[state[1]]))
            if len(state) > 1
            else here[state[0]]
            if state
            else never
            for state in states
        ]
        by_index.append(to_come)
    return by_index[::-1]


@dataclass(frozen=True, slots=True)
class _Search:
    """The selection in one run, and what guides the search through it; its lists are by index."""

    run: Run
    parts: int
    choices: list[_Choices]
    selected: list[int]  # the number of selected ordinary seats up to here
    standard: list[int]  # those of them that are standard
    to_come: list[list[list[float]]]  # see `_least_to_come`

    @classmethod
    def of(cls, run: Run, chosen: set[int]) -> "_Search":
        choices = [_choices(place, is_chosen=place.id in chosen) for place in run]
        kinds = [place.category if place.id in chosen else "" for place in run]
        selected = list(accumulate(int(kind in ORDINARY) for kind in kinds))
        return cls(
            run=run,
            parts=sum(is_chosen for is_chosen, _ in groupby(map(bool, kinds))),
            choices=choices,
            selected=selected,
            standard=list(accumulate(int(kind == STANDARD) for kind in kinds)),
            to_come=_least_to_come(choices, selected, selected[-1]),
        )

    def onward(self, partial: _Partial) -> Iterator[_Partial]:
        """Yield the rearrangements that `partial` can become with one more place."""
        _, parts, ahead, picks, distance, before, standard, premium = partial
        index = -ahead
        for state in self.choices[index][before]:
            if state == _CHOSEN:
                category = self.run[index].category
                parts += before != _CHOSEN
                standard += category == STANDARD
                premium += category == PREMIUM
                picks = (*picks, index)
                if (
                    parts > self.parts
                    or standard > self.standard[-1]
                    or premium > self.selected[-1] - self.standard[-1]
                ):
                    return
            moved = standard + premium
            passing = abs(moved - self.selected[index])
            exchanged = not passing and standard != self.standard[index]
            further = distance + passing
            least = further + max(self.to_come[index + 1][state][moved], exchanged)
            if least < inf:
                yield least, parts, ahead - 1, picks, further, state, standard, premium


def _rearrangements(run: Run, chosen: set[int], limit: int) -> list[tuple[int, list[int]]]:
    """Return (distance, ids) of the nearest choices for `run` that `alternatives` allows.

    The distance is the total number of places that buyers move, without passing each other: the
    number who cross between two neighbouring places is the difference between seats chosen and
    seats selected on one side. So it grows from left to right, and A* finds the nearest first,
    guided by the least remaining distance. Whatever can follow a partial rearrangement can also
    follow a similar one with no more parts, so only the `limit` nearest of these are followed.
    """
    search = _Search.of(run, chosen)
    found: list[tuple[int, list[int]]] = []
    followed: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)  # numbers of parts
    start = (search.to_come[0][_OPEN][0], 0, 0, (), 0, _OPEN, 0, 0)
    waiting: list[_Partial] = [start]
    while waiting and len(found) < limit:
        partial = heappop(waiting)
        _, parts, ahead, picks, distance, state, standard, premium = partial
        alike = followed[ahead, state, standard, premium]
        if len(alike) >= limit and sum(fewer <= parts for fewer in alike) >= limit:
            continue
        alike.append(parts)
        if ahead == -len(run):
            found.append((distance, [run[pick].id for pick in picks]))
            continue
        for longer in search.onward(partial):
            heappush(waiting, longer)
    return found
