"""Finds the places of sold seats in another room: equal or better, near, and together."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from operator import attrgetter
from typing import NamedTuple

from booking_site.api.errors import DomainError
from bookings.seat_choice.room import COMPANION, PREMIUM, STANDARD, WHEELCHAIR, Place, Run, runs_of

# The categories that each seat can become, the same one first. A bay has no chair.
FITTING = {
    STANDARD: (STANDARD, PREMIUM),
    PREMIUM: (PREMIUM,),
    WHEELCHAIR: (WHEELCHAIR,),
    COMPANION: (COMPANION, STANDARD, PREMIUM),
}
SMALLEST_PART = 2  # nobody of a divided party sits alone, except in a bay


class NoEqualSeats(DomainError):
    """Some parties have no equal or better seats in the new room; `parties` lists them."""

    code = "no_equal_seats"


@dataclass(frozen=True, slots=True)
class Party:
    """Seats that stay together: those of an order, or of a hold."""

    name: str
    seats: tuple[Place, ...]


class _Cost(NamedTuple):
    better: int  # seats of a better category than before
    distance: float

    def plus(self, other: "_Cost") -> "_Cost":
        return _Cost(self.better + other.better, self.distance + other.distance)


class _Seating(NamedTuple):
    cost: _Cost
    pairs: list[tuple[Place, Place]]  # old, new

    @property
    def lines(self) -> range:
        """The lines in which the other part of a divided party can sit."""
        y = self.pairs[0][1].y
        return range(y - 1, y + 2)


def remap(
    *, old: Sequence[Place], parties: Iterable[Party], new: Sequence[Place]
) -> dict[int, Place]:
    """Return the place in the new room for the id of every seat of the parties.

    `old` and `new` are whole rooms. A party gets one block; else two parts in the same line or in
    neighbouring lines; else as many parts as it has already. Among these, it gets as few seats
    of a better category as possible, and then the ones nearest to its old seats, relative to the
    size of the rooms. Parties that are hardest to seat come first: those with bays and companion
    seats, those with premium seats, then large ones.

    Raise NoEqualSeats.
    """
    room = _Room(old, new)
    mapping: dict[int, Place] = {}
    unseated: list[Party] = []
    for party in sorted(parties, key=_difficulty):
        seating = room.seat(sorted(party.seats, key=attrgetter("y", "x")))
        if seating is None:
            unseated.append(party)
            continue
        room.taken.update(place.id for _, place in seating.pairs)
        mapping |= {seat.id: place for seat, place in seating.pairs}
    if unseated:
        named = ", ".join(f"{party.name} ({len(party.seats)})" for party in unseated)
        raise NoEqualSeats(
            f"There are no equal or better seats together for {named}.",
            parties=[party.name for party in unseated],
        )
    return mapping


def _difficulty(party: Party) -> tuple[int, int, str]:
    kinds = {seat.category for seat in party.seats}
    rank = 0 if kinds & {WHEELCHAIR, COMPANION} else 1 if PREMIUM in kinds else 2
    return rank, -len(party.seats), party.name


class _Room:
    """The new room while parties are placed in it, and the positions that match old ones."""

    def __init__(self, old: Sequence[Place], new: Sequence[Place]) -> None:
        self.taken: set[int] = set()
        self._runs = runs_of(new)
        self._across = _projection([seat.x for seat in old], [place.x for place in new])
        self._back = _projection([seat.y for seat in old], [place.y for place in new])

    def seat(self, party: list[Place]) -> _Seating | None:
        return self._block(party) or self._two_parts(party) or self._same_parts(party)

    def _block(self, party: list[Place], lines: range | None = None) -> _Seating | None:
        """Return the best block for the seats, in those lines."""
        best: _Seating | None = None
        wanted = sum(self._back(seat.y) for seat in party) / len(party)
        for run in sorted(self._runs, key=lambda run: abs(run[0].y - wanted)):
            if lines and run[0].y not in lines:
                continue
            away = sum((run[0].y - self._back(seat.y)) ** 2 for seat in party)
            if best and best.cost <= (0, away):
                continue  # too far away for anything in this run to be better
            for block in self._free_blocks(run, len(party)):
                seating = self._in_block(party, block)
                if seating and (best is None or seating.cost < best.cost):
                    best = seating
        return best

    def _free_blocks(self, run: Run, size: int) -> Iterator[Run]:
        start = 0
        for end, place in enumerate(run, start=1):
            if place.id in self.taken:
                start = end
            elif end - start >= size:
                yield run[end - size : end]

    def _in_block(self, party: list[Place], block: Run) -> _Seating | None:
        """Place the seats from left to right if their categories fit, else by category."""
        pairs = list(zip(party, block, strict=True))
        if not all(place.category in FITTING[seat.category] for seat, place in pairs):
            pairs = _by_category(party, block)
            if not pairs:
                return None
        better = sum(seat.category != place.category for seat, place in pairs)
        return _Seating(_Cost(better, sum(self._distance(*pair) for pair in pairs)), pairs)

    def _distance(self, seat: Place, place: Place) -> float:
        return (place.x - self._across(seat.x)) ** 2 + (place.y - self._back(seat.y)) ** 2

    def _two_parts(self, party: list[Place]) -> _Seating | None:
        seatings = (
            self._in_parts([party[:cut], party[cut:]], close=True)
            for cut in range(1, len(party))
            if _may_be_part(party[:cut]) and _may_be_part(party[cut:])
        )
        return min(filter(None, seatings), default=None, key=attrgetter("cost"))

    def _same_parts(self, party: list[Place]) -> _Seating | None:
        parts = runs_of(party)
        return self._in_parts(parts, close=False) if len(parts) > 1 else None

    def _in_parts(self, parts: list[Run], *, close: bool) -> _Seating | None:
        """Place one part after another; if `close`, in the lines near the part before."""
        whole = _Seating(_Cost(0, 0), [])
        seating: _Seating | None = None
        for part in parts:
            seating = self._block(part, seating.lines if seating and close else None)
            if seating is None:
                break
            whole = _Seating(whole.cost.plus(seating.cost), whole.pairs + seating.pairs)
            self.taken.update(place.id for _, place in seating.pairs)
        self.taken.difference_update(place.id for _, place in whole.pairs)
        return seating and whole


def _may_be_part(part: list[Place]) -> bool:
    return len(part) >= SMALLEST_PART or part[0].category == WHEELCHAIR


def _by_category(party: list[Place], block: Run) -> list[tuple[Place, Place]]:
    """Pair the seats with places of the block by category; [] if some do not fit."""
    left = list(block)
    pairs = []
    for seat in sorted(party, key=lambda seat: len(FITTING[seat.category])):
        fitting = (
            place
            for category, place in product(FITTING[seat.category], left)
            if place.category == category
        )
        place = next(fitting, None)
        if place is None:
            return []
        left.remove(place)
        pairs.append((seat, place))
    return pairs


def _projection(old: Sequence[int], new: Sequence[int]) -> Callable[[int], float]:
    """Return a function from a line or column of the old room to that of the new one."""
    low, high = min(new), max(new)
    first, span = min(old), max(old) - min(old)
    return lambda place: low + (place - first) / span * (high - low) if span else (low + high) / 2
