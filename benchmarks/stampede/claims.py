"""Computes from a journal when each seat may have been taken, and when it certainly was.

A client can't know at which moment between a call and its answer the database acted. So each claim
has two intervals on the monotonic clock: the longest in which it may have taken the seat, and the
shortest in which it certainly did. Only a contradiction is a violation.
"""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import accumulate
from math import inf
from typing import Any

from benchmarks.stampede.journal import Call, History

# The longest that a call without an answer may still wait for locks on the server, and, where
# PostgreSQL has standbys, for one of them.
LATE_SECONDS = 15.0
LATE_SECONDS_WITH_STANDBYS = 60.0
CLOCK_GRAIN = 0.01


@dataclass(frozen=True, slots=True)
class Claim:
    """`surely_from` is infinite if the seat was not certainly taken at any time."""

    user: int
    kind: str  # "booking", "hold", or "before": taken when the run began
    name: str
    maybe_from: float
    surely_from: float
    surely_until: float
    maybe_until: float


@dataclass
class Purchase:
    """All calls of one user with one key and body, in the order they began."""

    user: int
    key: str
    calls: list[Call] = field(default_factory=list)

    @cached_property
    def wins(self) -> list[Call]:
        return [call for call in self.calls if call.status == 201]

    @property
    def is_settled(self) -> bool:
        """Whether the last call was answered."""
        return max(self.calls, key=lambda call: call.answered).settled

    @cached_property
    def answer(self) -> Any:
        """Return the parsed body of the first 201."""
        return json.loads(self.wins[0].reply)


def purchases_of(history: History) -> list[Purchase]:
    found: dict[tuple[int, str], Purchase] = {}
    for call in history.calls:
        if call.op == "book" and call.key is not None:
            found.setdefault((call.user, call.key), Purchase(call.user, call.key)).calls.append(
                call
            )
    return list(found.values())


class SeatClaims:
    """The claims on one seat, searched by time."""

    def __init__(self, claims: Iterable[Claim]) -> None:
        self.claims = sorted(claims, key=lambda claim: claim.maybe_from)
        self._maybe = {
            kinds: _Reach((c.maybe_from, c.maybe_until) for c in self.claims if c.kind in kinds)
            for kinds in (BOOKED, HELD)
        }
        self._surely = _Reach((c.surely_from, c.surely_until) for c in self.claims)

    def maybe_taken(self, kinds: frozenset[str], began: float, answered: float) -> bool:
        """Return whether a claim of these kinds may have been active between the two."""
        return self._maybe[kinds].touches(began, answered)

    def surely_taken(self, began: float, answered: float) -> bool:
        """Return whether one claim was certainly active all the time between the two."""
        return self._surely.covers(began, answered)

    def maybe_taken_against(self, user: int, began: float, answered: float) -> bool:
        """Return whether a booking, or another user's hold, may have refused the user."""
        return any(
            claim.maybe_from <= answered and claim.maybe_until >= began
            for claim in self.claims
            if claim.kind in BOOKED or claim.user != user
        )


BOOKED = frozenset({"booking", "before"})
HELD = frozenset({"hold", "before"})


class _Reach:
    """Intervals ordered by start, each with the latest end of those that start no later."""

    def __init__(self, intervals: Iterable[tuple[float, float]]) -> None:
        ordered = sorted(intervals)
        self._starts = [start for start, _ in ordered]
        self._ends = list(accumulate((end for _, end in ordered), max))

    def touches(self, began: float, answered: float) -> bool:
        count = bisect_right(self._starts, answered)
        return count > 0 and self._ends[count - 1] >= began

    def covers(self, began: float, answered: float) -> bool:
        count = bisect_right(self._starts, began)
        return count > 0 and self._ends[count - 1] >= answered


def claims_of(history: History, purchases: list[Purchase]) -> dict[int, SeatClaims]:
    """Return every claim by seat id. A seat without any is missing."""
    found: dict[int, list[Claim]] = defaultdict(list)
    for seat_id, claim in (
        *_claims_before(history),
        *_booking_claims(history, purchases),
        *_hold_claims(history),
    ):
        found[seat_id].append(claim)
    return {seat_id: SeatClaims(claims) for seat_id, claims in found.items()}


Claimed = Iterator[tuple[int, Claim]]


def _claims_before(history: History) -> Claimed:
    for show in history.plan["shows"]:
        for seat_id in show["taken"]:
            yield seat_id, Claim(0, "before", "before the run", -inf, inf, -inf, inf)


def _booking_claims(history: History, purchases: list[Purchase]) -> Claimed:
    cancels: dict[Any, list[Call]] = defaultdict(list)
    for call in history.calls:
        if call.op in ("cancel_booking", "cancel_order"):
            cancels[call.target].append(call)
    held = {
        call.reply["id"]: call.reply["seat_ids"]
        for call in history.calls
        if call.op == "hold" and call.succeeded
    }
    for purchase in purchases:
        if not purchase.wins:
            yield from _unsettled_claims(purchase, held, can_be_lost=history.has_standbys)
            continue
        began = min(call.began for call in purchase.calls)
        answered = min(call.answered for call in purchase.wins)
        for booking in purchase.answer["bookings"]:
            ends = cancels[booking["id"]] + cancels[booking["order_reference"]]
            yield (
                booking["seat_id"],
                Claim(
                    purchase.user,
                    "booking",
                    f"booking {booking['id']}",
                    began,
                    answered,
                    min((call.began for call in ends), default=inf),
                    min((call.answered for call in ends if call.succeeded), default=inf),
                ),
            )


def _unsettled_claims(
    purchase: Purchase, held: dict[Any, list[int]], *, can_be_lost: bool
) -> Claimed:
    """Yield the possible claims of a purchase without a 201, some of whose calls have no outcome.

    `held` has the seats of each hold. `can_be_lost`: a failover may undo what others have seen,
    but only what was not answered 201.
    """
    if all(call.settled for call in purchase.calls) or (purchase.is_settled and not can_be_lost):
        return
    call = purchase.calls[0]
    until = max(each.answered for each in purchase.calls) if purchase.is_settled else inf
    body = call.body or {}
    seat_ids = body.get("seat_ids") or held.get(body.get("hold_id")) or [body.get("seat_id")]
    for seat_id in seat_ids:
        if seat_id is not None:
            name = f"key {purchase.key}"
            yield seat_id, Claim(purchase.user, "booking", name, call.began, inf, -inf, until)


def _hold_claims(history: History) -> Claimed:
    seats = {show["show_id"]: [seat[0] for seat in show["seats"]] for show in history.plan["shows"]}
    longest = history.plan["hold_seconds"]
    late = LATE_SECONDS_WITH_STANDBYS if history.has_standbys else LATE_SECONDS
    by_visit: dict[tuple[int, int | None], list[Call]] = defaultdict(list)
    for call in history.calls:
        if call.op in ("hold", "extend", "release", "book"):
            by_visit[call.user, call.show_id].append(call)
    for (_, show_id), calls in by_visit.items():
        for position, call in enumerate(calls):
            later = calls[position + 1 :]
            if call.op != "hold":
                continue
            if call.succeeded:
                yield from _answered_hold_claims(call, later, longest + late)
            elif not call.settled and show_id is not None:
                yield from _lost_claims(call, later, longest, late, seats[show_id])


def _answered_hold_claims(call: Call, later: list[Call], extended: float) -> Claimed:
    """Yield the claims of a hold that was answered; `later` are the user's calls on that show.

    `extended` is how many seconds an extension without an answer may prolong it.
    """
    seconds = _seconds_left(call)
    surely_until = call.began + seconds - CLOCK_GRAIN
    maybe_until = call.answered + seconds + CLOCK_GRAIN
    for each in later:
        if each.began > maybe_until:
            break
        if each.op == "extend":
            left = _seconds_left(each) if each.succeeded else extended
            # Only an extension that was answered or lost can have had an effect.
            if each.succeeded or not each.settled:
                maybe_until = max(maybe_until, min(each.answered, each.began + 60) + left)
            continue
        surely_until = min(surely_until, each.began)
        if _ends_hold(each, call):
            maybe_until = min(maybe_until, each.answered)
            break
    for seat_id in call.reply["seat_ids"]:
        yield (
            seat_id,
            Claim(
                call.user,
                "hold",
                f"hold {call.reply['id']}",
                call.began,
                call.answered,
                surely_until,
                maybe_until,
            ),
        )


def _ends_hold(each: Call, hold: Call) -> bool:
    """Return whether this call ends the claims of the hold, or replaces them by its own.

    A purchase of some of its seats leaves the others held.
    """
    if not each.succeeded:
        return False
    if each.op == "book":
        return each.body == {"hold_id": hold.reply["id"]}
    return each.op == "hold" or each.target == hold.reply["id"]


def _lost_claims(
    call: Call, later: list[Call], longest: float, late: float, seats: list[int]
) -> Claimed:
    """Yield the possible claims of a hold whose answer was lost."""
    lost = min(call.answered, call.began + 60) + late
    until = lost + longest
    for each in later:
        if each.op == "hold" and each.succeeded and each.began > lost:
            until = min(until, each.answered)
            break
    # The best seats may have been any seats.
    for seat_id in (call.body or {}).get("seat_ids", seats):
        yield seat_id, Claim(call.user, "hold", "a lost hold", call.began, inf, -inf, until)


def _seconds_left(call: Call) -> float:
    """Return how long the hold had, by the database's clock, when it was answered."""
    expires, now = (
        datetime.fromisoformat(call.reply[name]) for name in ("expires_at", "server_time")
    )
    return (expires - now).total_seconds()
