"""Medians of what was measured, and the tables that `make bench` prints."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, field
from statistics import median
from typing import Any

from benchmarks.wrk import Result


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of processor time per request: of the app, of PostgreSQL, of the proxies."""

    app: float
    postgres: float
    proxies: float = 0.0


@dataclass(slots=True)
class Results:
    """The runs of one workload, by the name of the target."""

    name: str
    description: str
    runs: dict[str, list[Result]] = field(default_factory=dict)
    costs: dict[str, list[Cost]] = field(default_factory=dict)

    def rate(self, target: str) -> float:
        return median(run.rate for run in self.runs[target])

    def p99(self, target: str) -> float:
        return median(run.p99 for run in self.runs[target])

    def cost(self, target: str) -> Cost:
        costs = self.costs[target]
        return Cost(
            *(median(column) for column in zip(*map(astuple, costs), strict=True)),
        )

    @property
    def failures(self) -> list[str]:
        return [
            f"{self.name} on {target}: {failure}"
            for target, runs in self.runs.items()
            for run in runs
            for failure in run.failures
        ]


def table(all_results: Iterable[Results]) -> str:
    """Return a Markdown table of rates, slowest hundredths and processor times."""
    all_results = list(all_results)
    targets = list(dict.fromkeys(name for results in all_results for name in results.runs))
    head = ["", *(f"{name} /s" for name in targets), *(f"p99 {name} ms" for name in targets)]
    head += [f"CPU {name} ms" for name in targets]
    return markdown(
        head,
        (
            [
                f"{results.name} {results.description}",
                *(f"{results.rate(t):,.0f}" if t in results.runs else "" for t in targets),
                *(f"{results.p99(t):,.1f}" if t in results.runs else "" for t in targets),
                *(_cost(results, t) for t in targets),
            ]
            for results in all_results
        ),
    )


def factors(
    all_results: Iterable[Results], *, of: str, to: str, pairs: Mapping[str, str] | None = None
) -> str:
    """Return a Markdown table of what target `of` measured, divided by what `to` did.

    `pairs` maps workloads of `of` to those of `to` that they are compared with; by
    default each is compared with itself.
    """
    by_name = {results.name: results for results in all_results}
    pairs = pairs or {name: name for name in by_name}
    return markdown(
        [f"{of} ÷ {to}", "rate", "p99", "CPU app", "CPU PostgreSQL"],
        (
            [
                name if name == other else f"{name} ÷ {other}",
                _ratio(by_name[name].rate(of), by_name[other].rate(to)),
                _ratio(by_name[name].p99(of), by_name[other].p99(to)),
                *_cost_ratios(by_name[name], of, by_name[other], to),
            ]
            for name, other in pairs.items()
            if {name, other} <= by_name.keys()
            and of in by_name[name].runs
            and to in by_name[other].runs
        ),
    )


def markdown(head: list[str], body: Iterable[list[str]]) -> str:
    """Return a table with the first column to the left and the others to the right."""
    rows = [head, *body]
    widths = [max(4, *(len(row[column]) for row in rows)) for column in range(len(head))]
    rows.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join(
        "| "
        + " | ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in rows
    )


def as_json(all_results: Iterable[Results], **facts: Any) -> dict[str, Any]:
    return facts | {"workloads": [asdict(results) for results in all_results]}


def _cost(results: Results, target: str) -> str:
    if target not in results.costs:
        return ""
    cost = results.cost(target)
    return f"{cost.app:.2f} + {cost.postgres:.2f}"


def _cost_ratios(ours: Results, of: str, theirs: Results, to: str) -> list[str]:
    if of not in ours.costs or to not in theirs.costs:
        return ["", ""]
    our_cost, their_cost = ours.cost(of), theirs.cost(to)
    return [
        _ratio(our_cost.app, their_cost.app),
        _ratio(our_cost.postgres, their_cost.postgres),
    ]


def _ratio(number: float, base: float) -> str:
    return f"{number / base:.2f}" if base else ""
