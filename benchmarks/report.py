"""What was measured: medians, ratios, and one table for people to read."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.wrk import Result


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of processor time per request, of the app's processes and of PostgreSQL."""

    app: float
    postgres: float


@dataclass(slots=True)
class Line:
    """One workload: what each run on each target gave, what it cost, and its floor."""

    name: str
    meaning: str
    runs: dict[str, list[Result]] = field(default_factory=dict)
    costs: dict[str, list[Cost]] = field(default_factory=dict)
    floor: float | None = None

    def rate(self, target: str) -> float:
        return median(run.rate for run in self.runs[target])

    def p99(self, target: str) -> float:
        return median(run.p99 for run in self.runs[target])

    def cost(self, target: str) -> Cost:
        costs = self.costs[target]
        return Cost(median(each.app for each in costs), median(each.postgres for each in costs))

    @property
    def flaws(self) -> list[str]:
        return [
            f"{self.name} on {target}: {flaw}"
            for target, runs in self.runs.items()
            for run in runs
            for flaw in run.flaws
        ]


def table(lines: Iterable[Line], *, peer: str | None) -> str:
    """Return a Markdown table."""
    lines = list(lines)
    targets = list(dict.fromkeys(name for line in lines for name in line.runs))
    own = [name for name in targets if name != peer]
    head = ["", *(f"{name} /s" for name in targets), *(f"p99 {name} ms" for name in targets)]
    head += [f"CPU {name} ms" for name in targets]
    head += [f"{name} ÷ {peer}" for name in own if peer] + ["floor /s"]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for line in lines:
        row = [f"{line.name} {line.meaning}"]
        row += [f"{line.rate(name):,.0f}" if name in line.runs else "" for name in targets]
        row += [f"{line.p99(name):,.1f}" if name in line.runs else "" for name in targets]
        row += [_cost(line, name) for name in targets]
        if peer:
            row += [
                f"{line.rate(name) / line.rate(peer):.2f}"
                if peer in line.runs and line.rate(peer)
                else ""
                for name in own
            ]
        row.append(f"{line.floor:,.0f}" if line.floor else "")
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    )


def _cost(line: Line, target: str) -> str:
    if target not in line.costs:
        return ""
    cost = line.cost(target)
    return f"{cost.app:.2f} + {cost.postgres:.2f}"


def as_json(lines: Iterable[Line], **facts: Any) -> dict[str, Any]:
    return facts | {"lines": [asdict(line) for line in lines]}
