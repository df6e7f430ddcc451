"""The checker of the stampede: a clean journal passes, and each violation is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.stampede.checker import Case, check
from benchmarks.stampede.director import main
from benchmarks.stampede.journal import read_journal
from benchmarks.stampede.table import render

Lines = list[dict[str, Any]]
ANN, BEN = 1, 2
SEATS = [1, 2, 3, 4, 5, 6]
MICRO = 1_000_000


def call(at: float, name: str, op: str, user: int = ANN, **members: Any) -> dict[str, Any]:
    return {"kind": "call", "at": at, "id": name, "op": op, "user": user, "server": 0} | members


def answer(at: float, name: str, status: int = 200, **members: Any) -> dict[str, Any]:
    return {"kind": "answer", "at": at, "id": name, "status": status} | members


def bought(reference: str, *bookings: tuple[int, int], total: str | None = None) -> str:
    """The text of a 201 for `(booking id, seat id)` pairs at 10.00 each."""
    described = [
        {
            "id": pk,
            "show_id": 7,
            "seat_id": seat_id,
            "order_reference": reference,
            "price": "10.00",
        }
        for pk, seat_id in bookings
    ]
    order = {"reference": reference, "total": total or f"{10 * len(described)}.00"}
    return json.dumps({"booking": described[0], "bookings": described, "order": order})


def row(table: str, **columns: Any) -> dict[str, Any]:
    return {"kind": "row", "at": 99, "table": table, "row": columns}


def booking_row(pk: int, seat_id: int, reference: str, user: int, at: float) -> dict[str, Any]:
    return row(
        "bookings",
        id=pk,
        seat_id=seat_id,
        show_id=7,
        user_id=user,
        reference=reference,
        price="10.00",
        booked_at=int(at * MICRO),
        cancelled_at=None,
    )


def order_row(reference: str, user: int, total: str) -> dict[str, Any]:
    return row("orders", reference=reference, user_id=user, total=total, records=1)


def clean() -> Lines:
    """Ann buys seats 1 and 2, loses the answer and repeats; Ben is refused seat 1, holds 3."""
    body = {"show_id": 7, "seat_ids": [1, 2]}
    hold = {
        "id": "h1",
        "seat_ids": [3],
        "prices": ["10.00"],
        "total": "10.00",
        "expires_at": "2030-01-01T12:01:00Z",
        "server_time": "2030-01-01T12:00:00Z",
    }
    whole_map = {"ids": SEATS, "states": "bbhaaa", "mine": [1, 2], "user_ids": [ANN]}
    seats = [[pk, "A", pk, "10.00"] for pk in SEATS]
    return [
        {
            "kind": "plan",
            "at": 0,
            "shows": [{"show_id": 7, "seats": seats, "taken": []}],
            "hold_seconds": 60,
            "reads_tables": True,
        },
        call(10, "a1", "book", key="K", show_id=7, body=body),
        {"kind": "answer", "at": 11, "id": "a1", "error": "ConnectionResetError()"},
        call(12, "a2", "book", key="K", show_id=7, body=body),
        answer(13, "a2", 201, reply=bought("R1", (101, 1), (102, 2)), replayed=True),
        {
            "kind": "fault",
            "at": 12,
            "fault": "redis-kill",
            "began": 10.5,
            "ended": 11.5,
            "servers": None,
            "detail": "",
        },
        call(14, "b1", "book", BEN, key="L", show_id=7, body={"show_id": 7, "seat_id": 1}),
        answer(15, "b1", 409, code="seat_unavailable", reply={"seat_ids": [1]}),
        call(16, "b2", "hold", BEN, show_id=7, body={"show_id": 7, "seat_ids": [3]}),
        answer(17, "b2", 201, reply=hold),
        call(18, "a3", "last_map", show_id=7),
        answer(19, "a3", reply=whole_map),
        call(20, "a4", "bookings"),
        answer(21, "a4", reply=[[101, ANN, "confirmed"], [102, ANN, "confirmed"]]),
        call(22, "a5", "misuse", key="K", show_id=7, body={"show_id": 7, "seat_ids": SEATS}),
        answer(23, "a5", 422, code="idempotency_key_reused", reply={}),
        booking_row(101, 1, "R1", ANN, 10.5),
        booking_row(102, 2, "R1", ANN, 10.5),
        order_row("R1", ANN, "20.00"),
        row("seats", id=1, status="booked"),
        row("seats", id=2, status="booked"),
        row("seats", id=3, status="held"),
        {"kind": "end", "at": 100},
    ]


def line(lines: Lines, name: str, kind: str = "answer") -> dict[str, Any]:
    return next(each for each in lines if each.get("id") == name and each["kind"] == kind)


def row_of(lines: Lines, table: str, number: int = 0) -> dict[str, Any]:
    rows = [each["row"] for each in lines if each.get("table") == table]
    found: dict[str, Any] = rows[number]
    return found


def sell_again(lines: Lines) -> None:
    lines.append(booking_row(103, 1, "R1", ANN, 30))


def lose_booking(lines: Lines) -> None:
    lines.remove(next(each for each in lines if each.get("row", {}).get("id") == 102))
    row_of(lines, "orders")["total"] = "10.00"


def cancel_without_request(lines: Lines) -> None:
    row_of(lines, "bookings")["cancelled_at"] = 50 * MICRO


def book_without_answer(lines: Lines) -> None:
    lines += [
        booking_row(109, 6, "R9", BEN, 40),
        order_row("R9", BEN, "10.00"),
        row("seats", id=6, status="booked"),
    ]


def record_twice(lines: Lines) -> None:
    row_of(lines, "orders")["records"] = 2


def answer_as_if_new(lines: Lines) -> None:
    line(lines, "a2")["replayed"] = False
    lines.append(call(24, "a6", "book", key="K", show_id=7, body={"show_id": 7, "seat_ids": [1]}))
    lines.append(answer(25, "a6", 201, reply=line(lines, "a2")["reply"]))


def answer_otherwise(lines: Lines) -> None:
    lines.append(call(24, "a6", "book", key="K", show_id=7, body={"show_id": 7, "seat_ids": [1]}))
    reply = bought("R1", (101, 1), (102, 2)) + " "
    lines.append(answer(25, "a6", 201, reply=reply, replayed=True))


def refuse_after_booking(lines: Lines) -> None:
    lines.append(call(24, "a6", "book", key="K", show_id=7, body={"show_id": 7, "seat_ids": [1]}))
    lines.append(answer(25, "a6", 409, code="seat_unavailable", reply={"seat_ids": [1]}))


def take_reused_key(lines: Lines) -> None:
    line(lines, "a5")["code"] = "seat_unavailable"
    line(lines, "a5")["reply"] = {"seat_ids": [1]}


def sell_fewer(lines: Lines) -> None:
    line(lines, "a1", "call")["body"] = {"show_id": 7, "seat_ids": [1, 2, 4]}


def hold_other_seats(lines: Lines) -> None:
    line(lines, "b2", "call")["body"] = {"show_id": 7, "seat_ids": [3, 4]}


def refuse_free_seat(lines: Lines) -> None:
    line(lines, "b1")["reply"] = {"seat_ids": [5]}


def sell_held_seat(lines: Lines) -> None:
    body = {"show_id": 7, "seat_id": 3}
    lines += [
        call(30, "a6", "book", key="M", show_id=7, body=body),
        answer(31, "a6", 201, reply=bought("R2", (104, 3))),
        booking_row(104, 3, "R2", ANN, 30.5),
        order_row("R2", ANN, "10.00"),
    ]
    row_of(lines, "seats", 2)["status"] = "booked"


def show_sold_seat_as_free(lines: Lines) -> None:
    line(lines, "a3")["reply"]["states"] = "abhaaa"


def show_free_seat_as_sold(lines: Lines) -> None:
    line(lines, "a3")["reply"]["states"] = "bbhaab"


def leave_seat_available(lines: Lines) -> None:
    row_of(lines, "seats")["status"] = "available"


def charge_otherwise(lines: Lines) -> None:
    line(lines, "a2")["reply"] = bought("R1", (101, 1), (102, 2), total="19.00")


def record_wrong_total(lines: Lines) -> None:
    row_of(lines, "orders")["total"] = "19.00"


def show_others(lines: Lines) -> None:
    line(lines, "a3")["reply"]["user_ids"] = [ANN, BEN]


def forget_own_booking(lines: Lines) -> None:
    line(lines, "a4")["reply"] = [[101, ANN, "confirmed"]]


def never_settle(lines: Lines) -> None:
    lines.append(call(24, "b6", "book", BEN, key="N", show_id=7, body={"hold_id": "h1"}))
    lines.append(answer(25, "b6", 503, code="outcome_unknown", reply={}))


def fail(lines: Lines) -> None:
    lines.append(call(24, "b6", "orders", BEN))
    lines.append(answer(25, "b6", 500, code="internal_error", reply={}))


def stay_down(lines: Lines) -> None:
    fault = next(each for each in lines if each["kind"] == "fault")
    lines.append(fault | {"began": 50, "ended": 51})
    lines.append(call(60, "a9", "book", key="Z", show_id=7, body={"show_id": 7, "seat_id": 4}))
    lines.append(answer(61, "a9", 503, code="busy", reply={}))


def forget_retry_after(lines: Lines) -> None:
    lines.append(call(24, "b6", "orders", BEN))
    lines.append(answer(25, "b6", 503, code="busy", reply={}))


def lose_an_answer_in_a_deploy(lines: Lines) -> None:
    next(each for each in lines if each["kind"] == "fault")["fault"] = "deploy"


def leave_transaction(lines: Lines) -> None:
    lines.append(
        {"kind": "unfinished", "at": 99, "pid": 1, "state": "idle in transaction", "query": "X"}
    )


def disagree(lines: Lines) -> None:
    lines.append(
        {"kind": "finding", "at": 99, "invariant": "one_live_hold", "count": 1, "examples": ["x"]}
    )


def found(path: Path, lines: Lines) -> set[str]:
    for each in lines:
        each.setdefault("time", 0)
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return {name for name, violations in check(Case(read_journal(path))).items() if violations}


def test_a_clean_journal_has_no_violation(tmp_path: Path) -> None:
    assert found(tmp_path / "journal", clean()) == set()


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (sell_again, "No seat is sold twice"),
        (lose_booking, "Every 201 exists"),
        (cancel_without_request, "Every 201 exists"),
        (book_without_answer, "A key has at most one effect"),
        (record_twice, "A key has at most one effect"),
        (answer_as_if_new, "A key has at most one effect"),
        (answer_otherwise, "Equal keys get equal answers"),
        (refuse_after_booking, "Equal keys get equal answers"),
        (take_reused_key, "Equal keys get equal answers"),
        (sell_fewer, "All seats of a request or none"),
        (hold_other_seats, "All seats of a request or none"),
        (refuse_free_seat, "A refused seat was unavailable"),
        (sell_held_seat, "A hold reserves its seats"),
        (show_sold_seat_as_free, "Seat maps are correct"),
        (show_free_seat_as_sold, "Seat maps are correct"),
        (leave_seat_available, "Seat maps are correct"),
        (charge_otherwise, "Money adds up"),
        (record_wrong_total, "Money adds up"),
        (show_others, "Users see only their own bookings"),
        (forget_own_booking, "Users see only their own bookings"),
        (never_settle, "Every unknown outcome is settled"),
        (fail, "Every refusal is expected"),
        (forget_retry_after, "Every 503 has Retry-After"),
        (lose_an_answer_in_a_deploy, "A deploy only causes 503"),
        (stay_down, "The site recovers from every fault"),
        (leave_transaction, "No lock or transaction stays open"),
        (disagree, "The tables agree (doctor)"),
    ],
)
def test_each_violation_is_named(tmp_path: Path, harm: Callable[[Lines], None], named: str) -> None:
    lines = clean()
    harm(lines)
    assert named in found(tmp_path / "journal", lines)


def test_a_journal_without_tables_leaves_some_invariants_unchecked(tmp_path: Path) -> None:
    lines = [each for each in clean() if each["kind"] != "row"]
    assert found(tmp_path / "journal", lines) == set()
    case = Case(read_journal(tmp_path / "journal"))
    assert "not checked (needs DATABASE_URL)" in render(case, check(case))


@pytest.mark.parametrize("kinds", [{"plan", "end"}, {"plan", "call", "answer", "fault", "end"}])
def test_an_inconclusive_journal_is_refused(
    tmp_path: Path, kinds: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found(tmp_path / "journal", [each for each in clean() if each["kind"] in kinds])
    assert main([f"--check={tmp_path / 'journal'}"]) == 2
    assert capsys.readouterr().err.startswith("This proves nothing: ")


def test_a_journal_of_an_older_version_without_tables_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [each for each in clean() if each["kind"] != "row"]
    del lines[0]["reads_tables"]
    found(tmp_path / "journal", lines)
    assert main([f"--check={tmp_path / 'journal'}"]) == 0
    assert "No seat is sold twice" in capsys.readouterr().out


def test_a_truncated_journal_is_a_violation(tmp_path: Path) -> None:
    assert found(tmp_path / "journal", clean()[:-1]) == {"Every unknown outcome is settled"}


def test_an_invalid_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("{}garbage\n")
    with pytest.raises(ValueError, match="Line 1 "):
        read_journal(tmp_path / "journal")


def see_a_booking_that_is_lost(lines: Lines) -> None:
    """Ann books seat 4 without an answer, Ben sees it sold, Ann is finally refused."""
    body = {"show_id": 7, "seat_id": 4}
    lines += [
        call(30, "a6", "book", key="Z", show_id=7, body=body),
        answer(31, "a6", 503, code="outcome_unknown", reply={}, retry_after="1"),
        call(32, "b7", "book", BEN, key="Y", show_id=7, body=body),
        answer(33, "b7", 409, code="seat_unavailable", reply={"seat_ids": [4]}),
        call(34, "a7", "book", key="Z", show_id=7, body=body),
        answer(35, "a7", 409, code="single_seat_gap", reply={}),
    ]


@pytest.mark.parametrize("has_standbys", [True, False])
def test_only_a_failover_may_undo_what_others_have_seen(tmp_path: Path, has_standbys: bool) -> None:
    lines = clean()
    lines[0]["has_standbys"] = has_standbys
    see_a_booking_that_is_lost(lines)
    expected = set() if has_standbys else {"A refused seat was unavailable"}
    assert found(tmp_path / "journal", lines) == expected


def test_a_fault_repaired_after_the_last_purchase_is_not_checked(tmp_path: Path) -> None:
    lines = clean()
    fault = next(each for each in lines if each["kind"] == "fault")
    lines.append(fault | {"began": 50, "ended": 51})
    assert found(tmp_path / "journal", lines) == set()
