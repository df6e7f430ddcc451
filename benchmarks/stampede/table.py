"""The table that a run prints at its end."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from statistics import median

from benchmarks.stampede.checker import Case
from benchmarks.stampede.claims import Purchase
from benchmarks.stampede.recovery import recovery

WIDTH = 34
EXAMPLES = 5


def render(case: Case, violations: dict[str, list[str] | None]) -> str:
    sections = {
        "Calls": _calls(case),
        "Refusals": _refusals(case),
        "Unknown outcomes of purchases": _unknown(case),
        "Seconds without a successful write, for each fault": _faults(case),
        "Violations": _violations(violations),
    }
    lines = []
    for title, rows in sections.items():
        lines += ["", title, "-" * 72]
        lines += [f"{name:<{WIDTH}} {value}" for name, value in rows] or ["none"]
    return "\n".join(lines)


Rows = Iterator[tuple[str, str]]


def _calls(case: Case) -> Rows:
    calls = case.history.calls
    span = max((c.answered for c in calls if c.status), default=0) - (
        calls[0].began if calls else 0
    )
    yield "sent", f"{len(calls):,} in {span:.0f} s"
    yield "purchases tried", f"{len(case.purchases):,}"
    yield "attempts", f"{sum(len(p.calls) for p in case.purchases):,}"
    yield "answered 201", f"{sum(len(p.wins) for p in case.purchases):,}"
    replays = sum(call.replayed for purchase in case.purchases for call in purchase.wins)
    yield "replays among these", f"{replays:,}"
    seats = sum(len(purchase.answer["bookings"]) for purchase in case.won)
    yield "purchases made", f"{len(case.won):,} of {seats:,} seats"
    done = Counter(call.op for call in calls if call.succeeded)
    for op, name in {
        "hold": "holds created or replaced",
        "extend": "holds extended",
        "release": "holds released",
        "cancel_booking": "bookings cancelled",
        "cancel_order": "orders cancelled",
        "map": "seat maps read",
        "bookings": "lists read",
    }.items():
        yield name, f"{done[op]:,}"


def _refusals(case: Case) -> Rows:
    codes = Counter(
        (call.status, call.code or "")
        for call in case.history.calls
        if call.status is not None and not call.succeeded
    )
    for (status, code), count in codes.most_common():
        yield f"{status} {code}", f"{count:,}"


def _unknown(case: Case) -> Rows:
    unknown = [p for p in case.purchases if any(not call.settled for call in p.calls)]
    causes = Counter(
        call.code or (call.error or "no answer").split("(")[0]
        for purchase in unknown
        for call in purchase.calls
        if not call.settled
    )
    yield "purchases concerned", f"{len(unknown):,}"
    for cause, count in causes.most_common():
        yield f"  attempts: {cause}", f"{count:,}"
    for end, count in Counter(map(_end, unknown)).most_common():
        yield f"  ended: {end}", f"{count:,}"


def _end(purchase: Purchase) -> str:
    if not purchase.is_settled:
        return "never"
    if not purchase.wins:
        return "refused"
    first = min(purchase.wins, key=lambda call: call.answered)
    lost = any(not call.settled and call.began < first.began for call in purchase.calls)
    if not lost:
        return "answered before"
    return "had been booked" if first.replayed else "booked by a retry"


def _faults(case: Case) -> Rows:
    seconds: dict[str, list[float | None]] = defaultdict(list)
    for fault in case.history.faults:
        name = f"{fault.fault} {fault.detail}" if not fault.detail[:1].isdigit() else fault.fault
        seconds[name.strip()].append(recovery(fault, case.history))
    for name, all_of_it in sorted(seconds.items()):
        known = [each for each in all_of_it if each is not None]
        text = f"median {median(known):.1f}, longest {max(known):.1f}" if known else "never"
        yield name, f"{len(all_of_it)} times: {text}"


def _violations(violations: dict[str, list[str] | None]) -> Rows:
    for name, found in violations.items():
        if found is None:
            yield name, "not checked (needs DATABASE_URL)"
        else:
            yield name, str(len(found)) + "".join(_examples(found))


def _examples(found: list[str]) -> Iterable[str]:
    for each in found[:EXAMPLES]:
        yield f"\n    {each}"
    if len(found) > EXAMPLES:
        yield "\n    …"
