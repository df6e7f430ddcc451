"""Checks a journal, and lists every violation of an invariant."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import Any

from benchmarks.stampede.claims import (
    BOOKED,
    HELD,
    Claim,
    Purchase,
    SeatClaims,
    claims_of,
    purchases_of,
)
from benchmarks.stampede.journal import Call, History
from benchmarks.stampede.recovery import recovery

# No faults at the very start and end, so that there are requests around every fault.
CALM_SECONDS = 2.0
SEAT_RULES = {"single_seat_gap", "companion_required"}
EXPECTED_REFUSALS = {
    "book": {
        "seat_unavailable",
        "hold_expired",
        "hold_not_found",
        "hold_already_booked",
        *SEAT_RULES,
    },
    "hold": {"seat_unavailable", "hold_expired", "no_seats_together", *SEAT_RULES},
    "extend": {"hold_expired", "hold_not_found", "hold_already_booked"},
    "release": {"hold_already_booked"},
    "misuse": {"idempotency_key_reused"},
}
# The fault that replaces each server in turn by the last release, and back.
DEPLOY = "deploy"
UNSETTLED_CODES = {"busy", "outcome_unknown", "idempotency_key_in_progress"}


class Case:
    """A history, and what the invariants look up in it."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.purchases = purchases_of(history)
        self.claims = claims_of(history, self.purchases)
        self.prices = {
            seat[0]: Decimal(seat[3]) for show in history.plan["shows"] for seat in show["seats"]
        }
        self.bookings = {row["id"]: row for row in self.table("bookings")}

    def table(self, name: str) -> list[dict[str, Any]]:
        return self.history.tables.get(name, [])

    def claims_on(self, seat_id: int) -> SeatClaims:
        return self.claims.get(seat_id) or SeatClaims([])

    @property
    def why_inconclusive(self) -> str:
        """Return what the history lacks to prove anything; "" if it lacks nothing."""
        if not self.won:
            return "no purchase was answered 201. Run for longer, or with more users."
        if self.history.plan.get("reads_tables") and not self.history.has_tables:
            return "the journal lacks the tables, as when a run is cut short."
        return ""

    @cached_property
    def won(self) -> list[Purchase]:
        return [purchase for purchase in self.purchases if purchase.wins]

    @cached_property
    def bookings_by_order(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self.bookings.values():
            found[row["reference"]].append(row)
        return found

    @cached_property
    def cancel_targets(self) -> set[Any]:
        """Return the ids of bookings and references of orders that somebody asked to cancel."""
        ops = ("cancel_booking", "cancel_order")
        return {call.target for call in self.history.calls if call.op in ops}


Invariant = Callable[[Case], Iterator[str]]
INVARIANTS: dict[str, Invariant] = {}
NEED_TABLES: set[str] = set()


def invariant(name: str, *, needs_tables: bool = False) -> Callable[[Invariant], Invariant]:
    def register(function: Invariant) -> Invariant:
        INVARIANTS[name] = function
        if needs_tables:
            NEED_TABLES.add(name)
        return function

    return register


def check(case: Case) -> dict[str, list[str] | None]:
    """Return the violations of each invariant; None if it needs tables that the journal lacks."""
    return {
        name: None
        if name in NEED_TABLES and not case.history.has_tables
        else list(dict.fromkeys(find_violations(case)))
        for name, find_violations in INVARIANTS.items()
    }


@invariant("No seat is sold twice")
def _sold_once(case: Case) -> Iterator[str]:
    by_seat: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(case.bookings.values(), key=lambda row: (row["booked_at"], row["id"])):
        by_seat[row["seat_id"]].append(row)
    for seat_id, rows in by_seat.items():
        for first, second in pairwise(rows):
            if first["cancelled_at"] is None or first["cancelled_at"] > second["booked_at"]:
                yield f"seat {seat_id}: bookings {first['id']} and {second['id']}"
    for seat_id, claims in case.claims.items():
        sure = [claim for claim in claims.claims if claim.kind == "booking"]
        for one, other in _overlapping(sure):
            yield f"seat {seat_id}: {one.name} and {other.name}"


def _overlapping(claims: list[Claim]) -> Iterator[tuple[Claim, Claim]]:
    sure = sorted(
        (claim for claim in claims if claim.surely_from < claim.surely_until),
        key=lambda claim: claim.surely_from,
    )
    for first, second in pairwise(sure):
        if second.surely_from < first.surely_until:
            yield first, second


@invariant("Every 201 exists", needs_tables=True)
def _confirmed_bookings_exist(case: Case) -> Iterator[str]:
    for purchase in case.won:
        for booking in purchase.answer["bookings"]:
            row = case.bookings.get(booking["id"])
            answered = (
                purchase.user,
                *(booking[name] for name in ("show_id", "seat_id", "order_reference")),
            )
            if row is None:
                yield f"booking {booking['id']} of key {purchase.key} does not exist"
            elif answered != tuple(
                row[name] for name in ("user_id", "show_id", "seat_id", "reference")
            ):
                yield f"booking {booking['id']} of key {purchase.key} differs from its answer"
            elif row["cancelled_at"] and not case.cancel_targets & {row["id"], row["reference"]}:
                yield f"booking {booking['id']} was cancelled, though nobody asked"


@invariant("A key has at most one effect")
def _one_effect(case: Case) -> Iterator[str]:
    answers_naming: Counter[str] = Counter()
    for purchase in case.won:
        answers = {call.reply for call in purchase.wins}
        if sum(not call.replayed for call in purchase.wins) > 1:
            yield f"key {purchase.key} was answered {len(answers)} times as if new"
        answers_naming[purchase.answer["order"]["reference"]] += 1
    for reference, count in answers_naming.items():
        if count > 1:
            yield f"order {reference} was the answer to {count} keys"
    for row in case.table("orders"):
        if row["reference"] not in answers_naming:
            yield f"no answer names order {row['reference']}"
        if row["records"] != 1:
            yield f"order {row['reference']} is recorded under {row['records']} keys"


@invariant("Equal keys get equal answers")
def _equal_answers(case: Case) -> Iterator[str]:
    first_win: dict[tuple[int, str], float] = {}
    for purchase in case.won:
        if len({call.reply for call in purchase.wins}) > 1:
            yield f"key {purchase.key} was answered differently"
        won_at = min(call.answered for call in purchase.wins)
        first_win[purchase.user, purchase.key] = won_at
        for call in purchase.calls:
            if call.settled and not call.succeeded and call.began > won_at:
                yield f"key {purchase.key} was booked, and later refused: {call.code}"
    for call in case.history.calls:
        if call.op == "misuse" and call.settled and call.code != "idempotency_key_reused":
            yield f"key {call.key} with another body: {call.status} {call.code}"


@invariant("All seats of a request or none")
def _all_or_none(case: Case) -> Iterator[str]:
    for purchase in case.won:
        body = purchase.calls[0].body or {}
        got = {booking["seat_id"] for booking in purchase.answer["bookings"]}
        if "show_id" in body and got != set(body.get("seat_ids", [body.get("seat_id")])):
            yield f"key {purchase.key} got {sorted(got)}"
        reference = purchase.answer["order"]["reference"]
        rows = case.bookings_by_order.get(reference)
        if rows and sorted(row["seat_id"] for row in rows) != sorted(got):
            yield f"order {reference} has other seats than its answer"
    for call in case.history.calls:
        wanted = (call.body or {}).get("seat_ids") if call.op == "hold" else None
        if wanted and call.succeeded and sorted(wanted) != sorted(call.reply["seat_ids"]):
            yield f"hold {call.reply['id']} has other seats than requested"


@invariant("A refused seat was unavailable")
def _refused_seats_were_taken(case: Case) -> Iterator[str]:
    for call in case.history.calls:
        if call.code != "seat_unavailable":
            continue
        if not call.reply["seat_ids"]:
            yield f"call {call.id} was refused without a reason"
        for seat_id in call.reply["seat_ids"] or []:
            claims = case.claims_on(seat_id)
            if not claims.maybe_taken_against(call.user, call.began, call.answered):
                yield f"seat {seat_id} was free when call {call.id} was refused"


@invariant("A hold reserves its seats")
def _hold_reserves_seats(case: Case) -> Iterator[str]:
    for seat_id, claims in case.claims.items():
        holds = [claim for claim in claims.claims if claim.kind == "hold"]
        for hold in holds:
            for rival in claims.claims:
                if rival.maybe_from > hold.surely_until:
                    break
                if (
                    rival.user != hold.user
                    and rival.surely_from < hold.surely_until
                    and rival.maybe_from > hold.surely_from
                ):
                    yield f"seat {seat_id}: {rival.name} during {hold.name}"


@invariant("Seat maps are correct")
def _correct_maps(case: Case) -> Iterator[str]:
    shows = {
        show["show_id"]: [seat[0] for seat in show["seats"]] for show in case.history.plan["shows"]
    }
    for call in case.history.calls:
        if call.op not in ("map", "last_map") or not call.succeeded or call.show_id is None:
            continue
        ids = shows[call.show_id]
        if len(call.reply["states"]) != len(ids) or call.reply["ids"] not in (None, ids):
            yield f"map {call.id} has other seats than the show"
        elif wrong := _wrong_seats(case, call, ids):
            yield f"map {call.id} is wrong about seats {wrong[:5]}"
    booked = {row["seat_id"] for row in case.bookings.values() if row["cancelled_at"] is None}
    for row in case.table("seats"):
        if (row["status"] == "booked") != (row["id"] in booked):
            yield f"seat {row['id']} is {row['status']} in the end"


def _wrong_seats(case: Case, call: Call, ids: list[int]) -> list[int]:
    wrong = []
    for seat_id, state in zip(ids, call.reply["states"], strict=True):
        claims = case.claims_on(seat_id)
        if state == "a":
            is_wrong = claims.surely_taken(call.began, call.answered)
        else:
            kinds = HELD if state == "h" else BOOKED
            is_wrong = state != "x" and not claims.maybe_taken(kinds, call.began, call.answered)
        if is_wrong:
            wrong.append(seat_id)
    return wrong


@invariant("Money adds up")
def _money(case: Case) -> Iterator[str]:
    for purchase in case.won:
        answer = purchase.answer
        if any(Decimal(b["price"]) != case.prices[b["seat_id"]] for b in answer["bookings"]):
            yield f"key {purchase.key} was charged other prices than the seat map's"
        if Decimal(answer["order"]["total"]) != _total(answer["bookings"]):
            yield f"the answer to key {purchase.key} does not add up"
    for row in case.table("orders"):
        if Decimal(row["total"]) != _total(case.bookings_by_order[row["reference"]]):
            yield f"order {row['reference']} does not add up"
    for call in case.history.calls:
        if call.op != "hold" or not call.succeeded:
            continue
        if Decimal(call.reply["total"]) != sum(map(Decimal, call.reply["prices"])):
            yield f"hold {call.reply['id']} does not add up"


def _total(bookings: list[dict[str, Any]]) -> Decimal:
    return sum((Decimal(booking["price"]) for booking in bookings), start=Decimal(0))


@invariant("Users see only their own bookings")
def _own_bookings_only(case: Case) -> Iterator[str]:
    sure: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for purchase in case.won:
        answered = min(call.answered for call in purchase.wins)
        sure[purchase.user] += [(answered, b["id"]) for b in purchase.answer["bookings"]]
    for call in case.history.calls:
        if call.op in ("map", "last_map") and call.succeeded:
            if set(call.reply["user_ids"]) - {call.user}:
                yield f"map {call.id} names other users"
        elif call.op == "bookings" and call.succeeded:
            if any(user_id != call.user for _, user_id, _ in call.reply):
                yield f"list {call.id} has bookings of other users"
            listed = {pk for pk, _, _ in call.reply}
            missing = {pk for at, pk in sure[call.user] if at < call.began} - listed
            if missing and len(listed) < 500:  # a page
                yield f"list {call.id} lacks bookings {sorted(missing)[:5]}"


@invariant("Every unknown outcome is settled")
def _outcomes_settled(case: Case) -> Iterator[str]:
    if not case.history.ended:
        yield "the journal has no end"
    for purchase in case.purchases:
        if not purchase.is_settled:
            yield f"key {purchase.key} was never settled"


@invariant("Every refusal is expected")
def _expected_refusals(case: Case) -> Iterator[str]:
    for call in case.history.calls:
        refusals = EXPECTED_REFUSALS.get(call.op, set()) | UNSETTLED_CODES
        if call.status is not None and not call.succeeded and call.code not in refusals:
            yield f"{call.op} {call.id} on server {call.server}: {call.status} {call.code}"


@invariant("Every 503 has Retry-After")
def _retry_after_present(case: Case) -> Iterator[str]:
    for call in case.history.calls:
        if call.status == 503 and call.retry_after is None:
            yield f"{call.op} {call.id} got 503 {call.code} without Retry-After"


@invariant("A deploy only causes 503")
def _deploys_cause_only_503(case: Case) -> Iterator[str]:
    for fault in case.history.faults:
        if fault.fault != DEPLOY:
            continue
        for call in case.history.calls:
            if call.began > fault.ended or call.answered < fault.began:
                continue
            if call.status is None or (call.status >= 500 and call.status != 503):
                yield f"{call.op} {call.id} got {call.status or call.error} during a deploy"


@invariant("The site recovers from every fault")
def _recovers(case: Case) -> Iterator[str]:
    last_purchase = max((call.began for call in case.history.calls if call.op == "book"), default=0)
    for number, fault in enumerate(case.history.faults):
        # A repair that takes long ends shortly before the run, or after it.
        was_tried = fault.ended + CALM_SECONDS < last_purchase
        if was_tried and recovery(fault, case.history) is None:
            yield f"no success after {fault.fault} (number {number})"


@invariant("No lock or transaction stays open", needs_tables=True)
def _nothing_stays_open(case: Case) -> Iterator[str]:
    for left in case.history.unfinished:
        yield f"backend {left['pid']} is {left['state']}: {left['query']}"


@invariant("The tables agree (doctor)", needs_tables=True)
def _doctor_agrees(case: Case) -> Iterator[str]:
    for finding in case.history.findings:
        yield f"{finding['invariant']}: {finding['count']}, e.g. {', '.join(finding['examples'])}"
