"""The journal: every call, answer and fault as one JSON line, then the final tables.

Kinds of lines: `plan`, `call`, `answer` (of the call with the same `id`),
`fault`, `row` (of a table, at the end), `finding` (of `doctor`), `unfinished`
(an open transaction or a lock), `end`. `at` is the machine's monotonic clock,
which all its processes share; `time` is the wall clock.
"""

import json
import os
import time
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any


class Journal:
    """Appends lines to a file. Threads and processes may share it."""

    def __init__(self, path: Path) -> None:
        # Each line is one write, and the kernel appends writes whole.
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, kind: str, **members: Any) -> float:
        """Append a line and return its `at`."""
        at = time.monotonic()
        line = {"kind": kind, "at": at, "time": time.time(), **members}
        os.write(self._file, json.dumps(line, default=str).encode() + b"\n")
        return at

    def close(self) -> None:
        os.close(self._file)


@dataclass(slots=True, kw_only=True)
class Call:
    """A call and its answer. Without one, `status` is None, and `answered` is when it failed.

    `body` is the body that was sent, `target` the id in the address, `show_id`
    the show it is about. `reply` is what the journal has of the answer: the text of
    a purchase, otherwise a summary made by `benchmarks.stampede.client`.
    """

    id: str
    user: int
    op: str
    server: int
    began: float
    show_id: int | None = None
    key: str | None = None
    body: dict[str, Any] | None = None
    target: Any = None
    answered: float = inf
    status: int | None = None
    code: str | None = None
    reply: Any = None
    replayed: bool = False
    retry_after: str | None = None
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        return self.status is not None and self.status < 300

    @property
    def settled(self) -> bool:
        """Whether the outcome is known; if not, the request must be repeated."""
        return is_settled(self.status, self.code)


def is_settled(status: int | None, code: str | None) -> bool:
    return status is not None and status < 500 and code != "idempotency_key_in_progress"


@dataclass(frozen=True, slots=True)
class FaultLine:
    """`servers` are the numbers of those affected; None: all."""

    fault: str
    began: float
    ended: float
    servers: list[int] | None
    detail: str


@dataclass(slots=True)
class History:
    """A journal in memory. `calls` are in the order they began."""

    plan: dict[str, Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    faults: list[FaultLine] = field(default_factory=list)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    unfinished: list[dict[str, Any]] = field(default_factory=list)
    ended: bool = False

    @property
    def has_tables(self) -> bool:
        return bool(self.tables)

    @property
    def has_standbys(self) -> bool:
        return bool(self.plan.get("has_standbys"))


def read_journal(path: Path) -> History:
    """Read a journal. Raise ValueError naming an invalid line, or the absence of a plan."""
    history = History()
    calls: dict[str, Call] = {}
    with path.open(errors="replace") as file:
        for number, text in enumerate(file, start=1):
            try:
                _add_line(json.loads(text), history, calls)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"Line {number} of {path} isn't a line of a journal.") from error
    if not history.plan:
        raise ValueError(f"{path} isn't a journal of a stampede: it has no plan.")
    history.calls = sorted(calls.values(), key=lambda call: call.began)
    return history


def _add_line(line: dict[str, Any], history: History, calls: dict[str, Call]) -> None:
    """Add one line. Raise KeyError, TypeError or ValueError if it is invalid."""
    kind, at = line.pop("kind"), line.pop("at")
    line.pop("time")
    match kind:
        case "plan":
            history.plan = {"shows": line["shows"], "hold_seconds": line["hold_seconds"], **line}
        case "call":
            calls[line["id"]] = Call(began=at, **line)
        case "answer":
            call = calls[line.pop("id")]
            call.answered = at
            for name, value in line.items():
                setattr(call, name, value)
        case "fault":
            history.faults.append(FaultLine(**line))
        case "row":
            history.tables.setdefault(line["table"], []).append(line["row"])
        case "finding":
            history.findings.append(line)
        case "unfinished":
            history.unfinished.append(line)
        case "end":
            history.ended = True
        case _:
            raise ValueError(kind)
