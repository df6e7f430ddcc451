"""Finds the best seats for a party."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from operator import itemgetter
from typing import NamedTuple

from django.utils.translation import ngettext

from booking_site.api.errors import DomainError
from booking_site.api.openapi.values import COUNT
from bookings.seat_choice.companions import bays_beside
from bookings.seat_choice.room import (
    COMPANION,
    ORDINARY,
    STANDARD,
    WHEELCHAIR,
    Place,
    Run,
    runs_of,
    tripled_focal_line,
)

SMALLEST_PART = 2  # nobody of a divided party sits alone


class NoSeatsTogether(DomainError):
    """No block of seats fits the party; `largest_block` adjacent seats are still available."""

    code = "no_seats_together"
    members = {"largest_block": COUNT}


def best_available(
    places: Iterable[Place],
    *,
    quantity: int,
    category: str | None = None,
    accessible: bool = False,
    gap_rule: bool,
) -> list[int]:
    """Return the ids of the best seats for a party, front to back and left to right.

    `places` is the whole room. The best choice is a block of one run that leaves no gap; then
    one with as few gaps as possible; then two parts in neighbouring lines that share a column,
    neither of them a single seat. Among equals, it is the one nearest to the middle of the line,
    two thirds of the way to the back; then the one further back; then the one further left.

    Without `category`, standard and premium seats are equal. `accessible` parties get one
    wheelchair bay, more only if necessary, and prefer companion seats; with the category
    `wheelchair` they get bays only. Other parties get neither bays nor companion seats. With
    `gap_rule`, `refuse_gap` accepts the result.

    Raise NoSeatsTogether.
    """
    lines = _rated_lines(list(places), _offered(category, accessible=accessible))
    runs = [run for line in lines.values() for run in line if run.has_bay or not accessible]

    def blocks(size: int) -> Iterator[_Block]:
        found = (block for run in runs for block in run.blocks(size))
        return (block for block in found if block.has_bay) if accessible else found

    if block := min(blocks(quantity), key=_COST, default=None):
        return block.ids
    if parts := _two_parts(lines, quantity, accessible=accessible, gap_rule=gap_rule):
        return [seat_id for part in parts for seat_id in part.ids]
    largest = next((size for size in range(quantity - 1, 0, -1) if any(blocks(size))), 0)
    message = ngettext(
        "No such seat is available any more.",
        "%(quantity)d seats together are no longer available.",
        quantity,
    )
    raise NoSeatsTogether(message % {"quantity": quantity}, largest_block=largest)


# The cost of a choice is one number, with the most important part in the highest bits: bays,
# gaps, ordinary seats, distance. Numbers are much faster to add and compare than tuples. No part
# can overflow, even in a room of 32,768 by 32,768 cells.
_AN_ORDINARY_SEAT = 1 << 60
_A_GAP = _AN_ORDINARY_SEAT << 20
_A_BAY = _A_GAP << 20
_COST = itemgetter(0)


class _Block(NamedTuple):
    """`size` adjacent places of a run, from the cell `left`."""

    cost: int
    rated: "_RatedRun"
    left: int
    size: int

    @property
    def places(self) -> Run:
        start = self.left - self.rated.run[0].x
        return self.rated.run[start : start + self.size]

    @property
    def ids(self) -> list[int]:
        return [place.id for place in self.places]

    @property
    def has_bay(self) -> bool:
        return self.cost >= _A_BAY

    @property
    def has_gap(self) -> bool:
        return self.cost % _A_BAY >= _A_GAP

    @property
    def kind(self) -> tuple[int, list[int]]:
        """What alternatives have in common: the number of standard seats, and the special seats."""
        special = [place.id for place in self.places if place.category not in ORDINARY]
        return sum(place.category == STANDARD for place in self.places), special

    def passes_gap_rule(self) -> bool:
        """Return whether `refuse_gap` accepts the block, whose alternatives are other blocks."""
        return not self.has_gap or self.kind not in self.rated.kinds_without_gap(self.size)

    def lefts_sharing(self, size: int) -> range:
        """Return where a block of that size can start to share a column with this one."""
        return range(self.left - size + 1, self.left + self.size)


@dataclass(frozen=True, slots=True)
class _RatedRun:
    """A run with running totals, so that rating a block needs no loop over its places.

    A total counts the places before its index, so each list has one more entry than the run.
    """

    run: Run
    unwanted: list[int]
    cost: list[int]
    gap_before: list[int]  # the cost if a block that starts here leaves the place before it alone
    gap_at: list[int]  # the cost if a block that ends before here leaves this place alone
    bays_beside: list[set[int] | None]  # for companion seats, the ids of their bays
    has_companions: bool
    kinds: dict[int, list[tuple[int, list[int]]]] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run, offered: frozenset[str], distances: list[int]) -> "_RatedRun":
        lonely = [place.free and place.category in ORDINARY for place in run]
        walled_in = range(1, len(run) - 1)
        beside = [bays if seat.category == COMPANION else None for seat, bays in bays_beside(run)]
        weight = {WHEELCHAIR: _A_BAY, COMPANION: 0}
        return cls(
            run,
            _totals(not place.free or place.category not in offered for place in run),
            _totals(
                weight.get(place.category, _AN_ORDINARY_SEAT) + distance
                for place, distance in zip(run, distances, strict=True)
            ),
            [
                _A_GAP * (i >= 2 and lonely[i - 1] and not run[i - 2].free)
                for i in range(len(run) + 1)
            ],
            [
                _A_GAP * (i in walled_in and lonely[i] and not run[i + 1].free)
                for i in range(len(run) + 1)
            ],
            beside,
            any(bays is not None for bays in beside),
        )

    @property
    def has_bay(self) -> bool:
        return self.cost[-1] >= _A_BAY

    def blocks(self, size: int) -> Iterator[_Block]:
        """Yield the available blocks of that size that have no companion seat without its bay."""
        unwanted, cost, gap_before, gap_at = self.unwanted, self.cost, self.gap_before, self.gap_at
        first = self.run[0].x
        for start in range(len(self.run) - size + 1):
            end = start + size
            if unwanted[end] > unwanted[start]:
                continue
            if self.has_companions and self._has_lone_companion(start, end):
                continue
            amount = cost[end] - cost[start] + gap_before[start] + gap_at[end]
            yield _Block(amount, self, first + start, size)

    def kinds_without_gap(self, size: int) -> list[tuple[int, list[int]]]:
        """Return the kinds of the blocks of that size that leave no gap."""
        if size not in self.kinds:
            self.kinds[size] = [block.kind for block in self.blocks(size) if not block.has_gap]
        return self.kinds[size]

    def _has_lone_companion(self, start: int, end: int) -> bool:
        ids = {place.id for place in self.run[start:end]}
        return any(
            bays is not None and ids.isdisjoint(bays) for bays in self.bays_beside[start:end]
        )


def _totals(amounts: Iterable[int]) -> list[int]:
    return list(accumulate(amounts, initial=0))


def _offered(category: str | None, *, accessible: bool) -> frozenset[str]:
    """Return the categories that the party can get."""
    wanted = ORDINARY if category is None else frozenset({category})
    special = frozenset({WHEELCHAIR, COMPANION})
    if not accessible:
        return wanted - special
    return wanted if category == WHEELCHAIR else wanted | special


def _rated_lines(places: list[Place], offered: frozenset[str]) -> dict[int, list[_RatedRun]]:
    """Return the runs of each line (`y`), back line first, rated by distance to the focal point.

    That is the middle of the line's seats, two thirds of the way to the back. Distances are
    squared, summed over the seats and multiplied by 36, so that they are integers and equal
    distances compare equal.
    """
    lines = {y: list(runs) for y, runs in groupby(runs_of(places), key=lambda run: run[0].y)}
    if not lines:
        return {}
    focus = tripled_focal_line(lines)

    def rated(line: list[Run]) -> list[_RatedRun]:
        middle = line[0][0].x + line[-1][-1].x  # twice the middle of the line
        away = (2 * (3 * line[0][0].y - focus)) ** 2
        return [
            _RatedRun.of(run, offered, [away + (3 * (2 * seat.x - middle)) ** 2 for seat in run])
            for run in line
        ]

    return {y: rated(lines[y]) for y in sorted(lines, reverse=True)}


_Pairing = tuple[int, list[_Block], list[_Block]]


def _pairings(
    lines: dict[int, list[_RatedRun]], quantity: int, *, accessible: bool
) -> list[_Pairing]:
    """Return (least cost, fronts, backs) for neighbouring lines and sizes, all cheapest first.

    Any front with any back has the seats that the party needs.
    """
    near = [
        (y, y + 1)
        for y in lines
        if y + 1 in lines
        and (not accessible or any(run.has_bay for run in lines[y] + lines[y + 1]))
    ]
    ranked = {
        (y, size): sorted((block for run in lines[y] for block in run.blocks(size)), key=_COST)
        for y in {y for neighbours in near for y in neighbours}
        for size in range(SMALLEST_PART, quantity - SMALLEST_PART + 1)
    }
    pairs = [
        (ranked[front, size], ranked[back, quantity - size])
        for front, back in near
        for size in range(SMALLEST_PART, quantity - SMALLEST_PART + 1)
    ]
    if accessible:
        pairs = [part for fronts, backs in pairs for part in _with_a_bay(fronts, backs)]
    pairings = [
        (fronts[0].cost + backs[0].cost, fronts, backs)
        for fronts, backs in pairs
        if fronts and backs
    ]
    return sorted(pairings, key=_COST)


def _with_a_bay(
    fronts: list[_Block], backs: list[_Block]
) -> Iterator[tuple[list[_Block], list[_Block]]]:
    """Split the pairs that have a bay: those with one in front, and those with one only in back."""
    yield [front for front in fronts if front.has_bay], backs
    yield (
        [front for front in fronts if not front.has_bay],
        [back for back in backs if back.has_bay],
    )


def _two_parts(
    lines: dict[int, list[_RatedRun]], quantity: int, *, accessible: bool, gap_rule: bool
) -> tuple[_Block, _Block] | None:
    """Return the cheapest two parts in neighbouring lines that share a column, front part first.

    With `gap_rule`, both pass it. Pairs are tried in the order of their least possible cost, so
    the search ends when no cheaper one can follow.
    """
    best: tuple[int, _Block, _Block] | None = None
    for least, fronts, backs in _pairings(lines, quantity, accessible=accessible):
        if best and least >= best[0]:
            break
        back_at = {back.left: back for back in backs}
        for front in fronts:
            if best and front.cost + backs[0].cost >= best[0]:
                break
            for back in filter(None, map(back_at.get, front.lefts_sharing(backs[0].size))):
                cost = front.cost + back.cost
                if (best is None or cost < best[0]) and (
                    not gap_rule or (front.passes_gap_rule() and back.passes_gap_rule())
                ):
                    best = cost, front, back
    return best and best[1:]
