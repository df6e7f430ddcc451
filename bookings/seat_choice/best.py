"""The best seats for a party, wherever in the room they are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, groupby
from operator import attrgetter, itemgetter
from typing import ClassVar, NamedTuple

from booking_site.errors import DomainError
from bookings.seat_choice.companions import bays_beside
from bookings.seat_choice.gaps import alternatives
from bookings.seat_choice.room import COMPANION, ORDINARY, WHEELCHAIR, Place, Run, runs_of

SMALLEST_PART = 2  # a divided party leaves nobody alone


class NoSeatsTogether(DomainError):
    """The party fits nowhere; `largest_block` seats of one run (0 if none) still would."""

    code: ClassVar[str] = "no_seats_together"

    def __init__(self, *, quantity: int, largest_block: int) -> None:
        super().__init__(
            f"There are no {quantity} seats together any more."
            if quantity > 1
            else "There is no such seat any more.",
            largest_block=largest_block,
        )


def best_available(
    places: Iterable[Place],
    *,
    quantity: int,
    category: str | None = None,
    accessible: bool = False,
    gap_rule: bool,
) -> list[int]:
    """Choose seats for a party; return their ids, front to back and from the left.

    `places` is the whole room. In this order: one block of a run that leaves no
    gap; one that leaves as few as can be; two parts in neighbouring lines that
    share a column, neither of a single seat. Among equals, the nearest to the
    middle of the line, two thirds back; then further back; then further left.

    Without `category`, standard and premium seats count alike. `accessible`
    parties get a wheelchair bay, more only if they must, and rather companion
    seats than others; with the category `wheelchair` they get bays only.
    Nobody else is offered bays or companion seats. With `gap_rule`,
    `refuse_gap` accepts whatever is returned.

    Raises NoSeatsTogether.
    """
    fewest_bays = 1 if accessible else 0
    lines = _rated_lines(list(places), _offered(category, accessible=accessible))

    def blocks(size: int) -> Iterator[_Block]:
        found = (block for runs in lines.values() for run in runs for block in run.blocks(size))
        return (block for block in found if block.cost.bays >= fewest_bays)

    if block := min(blocks(quantity), key=attrgetter("cost"), default=None):
        return block.ids
    if parts := _two_parts(lines, quantity, fewest_bays=fewest_bays, gap_rule=gap_rule):
        return [seat_id for part in parts for seat_id in part.ids]
    largest = next((size for size in range(quantity - 1, 0, -1) if any(blocks(size))), 0)
    raise NoSeatsTogether(quantity=quantity, largest_block=largest)


class _Cost(NamedTuple):
    """What speaks against a choice, the weightiest first."""

    bays: int
    gaps: int
    ordinary: int
    distance: int

    def plus(self, other: "_Cost") -> "_Cost":
        return _Cost(
            self.bays + other.bays,
            self.gaps + other.gaps,
            self.ordinary + other.ordinary,
            self.distance + other.distance,
        )


class _Block(NamedTuple):
    """Adjacent places of a run that a party could have: `size` of them, from the cell `left`."""

    cost: _Cost
    run: Run
    left: int
    size: int

    @property
    def ids(self) -> list[int]:
        start = self.left - self.run[0].x
        return [place.id for place in self.run[start : start + self.size]]

    def lefts_sharing(self, size: int) -> range:
        """Return where a block of that size may start to share a column with this one."""
        return range(self.left - size + 1, self.left + self.size)

    def passes_gap_rule(self) -> bool:
        return not self.cost.gaps or not alternatives(self.run, self.ids, limit=1)


@dataclass(frozen=True, slots=True)
class _RatedRun:
    """A run with running totals, so that a block is rated without a loop over its places.

    Each list has an entry for the wall behind the last place, too: totals
    count the places before the index.
    """

    run: Run
    unwanted: list[int]
    bays: list[int]
    ordinary: list[int]
    distance: list[int]
    bays_beside: list[set[int] | None]  # for companion seats, the ids of their bays
    gap_before: list[bool]  # a block that starts here leaves the place before it alone
    gap_at: list[bool]  # a block that ends before here leaves this place alone

    @classmethod
    def of(cls, run: Run, offered: frozenset[str], distances: list[int]) -> "_RatedRun":
        lonely = [place.free and place.category in ORDINARY for place in run]
        walled_in = range(1, len(run) - 1)
        return cls(
            run,
            _totals(not place.free or place.category not in offered for place in run),
            _totals(place.category == WHEELCHAIR for place in run),
            _totals(place.category in ORDINARY for place in run),
            _totals(distances),
            [bays if seat.category == COMPANION else None for seat, bays in bays_beside(run)],
            [i >= 2 and lonely[i - 1] and not run[i - 2].free for i in range(len(run) + 1)],
            [i in walled_in and lonely[i] and not run[i + 1].free for i in range(len(run) + 1)],
        )

    def blocks(self, size: int) -> Iterator[_Block]:
        """Yield what can be had of that size, no companion seat without its bay."""
        for start in range(len(self.run) - size + 1):
            end = start + size
            if self.unwanted[end] > self.unwanted[start]:
                continue
            cost = _Cost(
                self.bays[end] - self.bays[start],
                self.gap_before[start] + self.gap_at[end],
                self.ordinary[end] - self.ordinary[start],
                self.distance[end] - self.distance[start],
            )
            if cost.ordinary < size and self._has_lone_companion(start, end):
                continue
            yield _Block(cost, self.run, self.run[start].x, size)

    def _has_lone_companion(self, start: int, end: int) -> bool:
        ids = {place.id for place in self.run[start:end]}
        return any(
            bays is not None and ids.isdisjoint(bays) for bays in self.bays_beside[start:end]
        )


def _totals(amounts: Iterable[int]) -> list[int]:
    return list(accumulate(amounts, initial=0))


def _offered(category: str | None, *, accessible: bool) -> frozenset[str]:
    """Return the categories that make up what was asked for."""
    wanted = ORDINARY if category is None else frozenset({category})
    special = frozenset({WHEELCHAIR, COMPANION})
    if not accessible:
        return wanted - special
    return wanted if category == WHEELCHAIR else wanted | special


def _rated_lines(places: list[Place], offered: frozenset[str]) -> dict[int, list[_RatedRun]]:
    """Return the runs of each line (`y`), back line first, rated by distance to the focal point.

    That is the middle of the line's seats, two thirds of the way to the back.
    Distances are squared, added up over the seats, and times 36, which makes
    integers of them: equal distances compare equal.
    """
    lines = {y: list(runs) for y, runs in groupby(runs_of(places), key=lambda run: run[0].y)}
    if not lines:
        return {}
    focus = min(lines) + 2 * max(lines)  # three times the focal line

    def rated(line: list[Run]) -> list[_RatedRun]:
        middle = line[0][0].x + line[-1][-1].x  # twice the middle of the line
        away = (2 * (3 * line[0][0].y - focus)) ** 2
        return [
            _RatedRun.of(run, offered, [away + (3 * (2 * seat.x - middle)) ** 2 for seat in run])
            for run in line
        ]

    return {y: rated(lines[y]) for y in sorted(lines, reverse=True)}


def _pairings(
    lines: dict[int, list[_RatedRun]], quantity: int
) -> list[tuple[_Cost, list[_Block], list[_Block]]]:
    """Return (least cost, fronts, backs) for neighbouring lines and sizes, all cheapest first."""
    sizes = range(SMALLEST_PART, quantity - SMALLEST_PART + 1)
    by_cost = attrgetter("cost")
    ranked = {
        (y, size): sorted((block for run in runs for block in run.blocks(size)), key=by_cost)
        for y, runs in lines.items()
        for size in sizes
    }
    pairings = [
        (fronts[0].cost.plus(backs[0].cost), fronts, backs)
        for (y, size), fronts in ranked.items()
        if fronts and (backs := ranked.get((y + 1, quantity - size)))
    ]
    return sorted(pairings, key=itemgetter(0))


def _two_parts(
    lines: dict[int, list[_RatedRun]], quantity: int, *, fewest_bays: int, gap_rule: bool
) -> tuple[_Block, _Block] | None:
    """Return the cheapest two parts in neighbouring lines that share a column, front part first.

    With `gap_rule`, both pass it. Everything is tried in the order of the least
    it can cost, so that the search ends where nothing cheaper can follow.
    """
    passed: dict[tuple[int, int], bool] = {}

    def passes(block: _Block) -> bool:
        key = block.ids[0], block.size
        if key not in passed:
            passed[key] = block.passes_gap_rule()
        return passed[key]

    best: tuple[_Cost, _Block, _Block] | None = None
    for least, fronts, backs in _pairings(lines, quantity):
        if best and least >= best[0]:
            break
        back_at = {back.left: back for back in backs}
        for front in fronts:
            if best and front.cost.plus(backs[0].cost) >= best[0]:
                break
            for back in filter(None, map(back_at.get, front.lefts_sharing(backs[0].size))):
                cost = front.cost.plus(back.cost)
                if (
                    cost.bays >= fewest_bays
                    and (best is None or cost < best[0])
                    and (not gap_rule or (passes(front) and passes(back)))
                ):
                    best = cost, front, back
    return best and best[1:]
