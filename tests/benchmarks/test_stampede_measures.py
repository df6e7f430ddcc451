"""What the checker of the stampede computes from a journal: claims on seats, and recovery."""

import pytest

from benchmarks.stampede.claims import Claim, SeatClaims
from benchmarks.stampede.journal import Call, FaultLine, History
from benchmarks.stampede.recovery import recovery

ANN, BEN = 1, 2


def claims(*intervals: tuple[float, float, float, float]) -> SeatClaims:
    return SeatClaims(Claim(ANN, "booking", "b", *each) for each in intervals)


def test_a_long_claim_is_found_behind_a_short_one() -> None:
    two = claims((0, 1, 90, 100), (10, 11, 12, 13))
    assert two.maybe_taken(frozenset({"booking", "before"}), 50, 51)
    assert two.surely_taken(50, 51)
    assert not two.surely_taken(89, 91)
    assert not two.maybe_taken(frozenset({"booking", "before"}), 101, 102)


def test_own_bookings_cause_refusals_but_own_holds_do_not() -> None:
    held = SeatClaims([Claim(ANN, "hold", "h", 0, 1, 10, 11)])
    assert not held.maybe_taken_against(ANN, 5, 6)
    assert held.maybe_taken_against(BEN, 5, 6)
    assert claims((0, 1, 10, 11)).maybe_taken_against(ANN, 5, 6)


@pytest.mark.parametrize(
    ("successes", "seconds"),
    [
        ([11, 12, 19, 20.5], 7.0),
        ([19, 21], 9.0),
        ([11, 12, 19], None),
        ([], None),
        ([21, 40], 11.0),
    ],
)
def test_recovery_is_the_longest_time_without_a_write_from_the_fault_on(
    successes: list[float], seconds: float | None
) -> None:
    calls = [
        Call(id=str(at), user=ANN, op="book", server=0, began=at - 1, answered=at, status=201)
        for at in successes
    ]
    fault = FaultLine("primary-kill", 10, 20, None, "")
    assert recovery(fault, History(calls=calls)) == seconds
