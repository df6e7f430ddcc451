"""How long a room of 400 seats is judged: CPU time, best, median and worst of 200 calls.

Run it from the root of the repository: python -m benchmarks.seat_choice
"""

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from itertools import product
from random import Random
from statistics import median
from time import process_time

from bookings.seat_choice import (
    NoSeatsTogether,
    Place,
    alternatives,
    best_available,
    companions_without_bay,
)

CALLS = 200


def hall(
    *, rows: int, is_free: Callable[[int, int], bool], categories: Iterable[str] = ("standard",)
) -> list[Place]:
    """Make 400 seats in unbroken rows; `categories` take turns within a row."""
    width, names = 400 // rows, list(categories)
    return [
        Place(y * width + x, f"R{y}", x + 1, x, y, names[x % len(names)], is_free(x, y))
        for y, x in product(range(rows), range(width))
    ]


EMPTY = hall(rows=20, is_free=lambda x, y: True)
HALF_SOLD = hall(rows=20, is_free=lambda x, y: (x // 2 * 7 + y * 5) % 11 > 4)
NINE_AND_NINE = hall(rows=20, is_free=lambda x, y: x % 10 != 9)
NEVER_OVERLAPPING = hall(rows=20, is_free=lambda x, y: x < 9 if y % 2 else x > 10)
LONG_ROWS = hall(rows=10, is_free=lambda x, y: True)
PAIRS_LEFT = hall(rows=10, is_free=lambda x, y: x % 3 != 0)
TWO_CATEGORIES = hall(rows=10, is_free=lambda x, y: True, categories=("standard", "premium"))
ACCESSIBLE = hall(
    rows=20, is_free=lambda x, y: True, categories=("wheelchair", "companion", "standard")
)

EVERY_OTHER = list(range(5, 25, 2))
CASES: dict[str, Callable[[], object]] = {
    "2 in an empty room": lambda: best_available(EMPTY, quantity=2, gap_rule=True),
    "10 in an empty room": lambda: best_available(EMPTY, quantity=10, gap_rule=True),
    "2 in a room half sold": lambda: best_available(HALF_SOLD, quantity=2, gap_rule=True),
    "10 in a room half sold": lambda: best_available(HALF_SOLD, quantity=10, gap_rule=True),
    "10 in two parts": lambda: best_available(NINE_AND_NINE, quantity=10, gap_rule=True),
    "10, every two parts apart": lambda: best_available(
        NEVER_OVERLAPPING, quantity=10, gap_rule=True
    ),
    "4 with a wheelchair": lambda: best_available(
        ACCESSIBLE, quantity=4, accessible=True, gap_rule=True
    ),
    "a choice without a gap": lambda: alternatives(EMPTY, [10, 11, 12]),
    "a choice with a gap": lambda: alternatives(NINE_AND_NINE, [1, 2, 3, 11, 12]),
    "every other seat": lambda: alternatives(LONG_ROWS, EVERY_OTHER),
    "every other of two categories": lambda: alternatives(
        TWO_CATEGORIES, [5, 7, 9, 11, 13, 16, 18, 20, 22, 24]
    ),
    "one of each pair left": lambda: alternatives(PAIRS_LEFT, [1, 4, 7, 10, 13, 16, 19, 22, 25]),
    "companion seats": lambda: companions_without_bay(ACCESSIBLE, [1, 4], owned=[0]),
}


def drawn(rows: int, *, share: float, seed: int) -> list[Place]:
    """Make a room in which about this share of the seats is free, of two categories."""
    draw = Random(seed)  # noqa: S311 - the same rooms each time
    free = {(x, y) for y, x in product(range(rows), range(400 // rows)) if draw.random() < share}
    return hall(rows=rows, is_free=lambda x, y: (x, y) in free, categories=("standard", "premium"))


def ten_scattered(places: list[Place], seed: int) -> list[int]:
    """Choose ten free seats of the first line, or all that there are."""
    free = [place.id for place in places if place.y == 0 and place.free]
    return Random(seed).sample(free, min(10, len(free)))  # noqa: S311 - the same seats


def drawn_cases(rows: int) -> dict[str, list[Callable[[], object]]]:
    """Return cases of twenty rooms each, drawn at random but always the same."""
    emptier = [drawn(rows, share=0.8, seed=seed) for seed in range(20)]
    half = [drawn(rows, share=0.5, seed=seed) for seed in range(20)]
    shape = f"{rows} x {400 // rows}"
    return {
        f"{shape}: 10 scattered": [
            partial(alternatives, places, ten_scattered(places, seed))
            for seed, places in enumerate(emptier)
        ],
        f"{shape}: 10, half sold": [
            partial(best_available, places, quantity=10, gap_rule=True) for places in half
        ],
    }


def timed(call: Callable[[], object]) -> float:
    start = process_time()
    with suppress(NoSeatsTogether):
        call()
    return (process_time() - start) * 1000


def main() -> None:
    sys.stdout.write("command: python -m benchmarks.seat_choice\n")
    sys.stdout.write(f"{'400 seats, CPU ms':32}{'best':>8}{'median':>8}{'worst':>8}\n")
    cases = {name: [call] for name, call in CASES.items()}
    for rows in (8, 10, 20):
        cases |= drawn_cases(rows)
    for name, calls in cases.items():
        times = [timed(call) for call in calls for _ in range(CALLS // len(calls))]
        sys.stdout.write(f"{name:32}{min(times):8.2f}{median(times):8.2f}{max(times):8.2f}\n")


if __name__ == "__main__":
    main()
