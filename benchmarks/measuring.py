"""One run of a workload on a server: warmed up, costed, and its tables put back."""

import sys

from benchmarks import cpu, report, wrk
from benchmarks.report import Line
from benchmarks.workloads import WORKLOADS, Target, Terms, Workload


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run(line: Line, target: Target, terms: Terms, *, is_first: bool) -> None:
    """Measure the line's workload and add the result to it; the first time, warm up before."""
    measure = WORKLOADS[line.name][1]
    if is_first:
        measure(target, Terms(seconds=2, connections=terms.connections))
        target.house.put_back()
    result, cost = _costed(measure, target, terms)
    target.house.put_back()
    line.runs.setdefault(target.name, []).append(result)
    if cost is not None:
        line.costs.setdefault(target.name, []).append(cost)
    statuses = f", {result.statuses}" if result.statuses else ""
    say(
        f"{line.name} on {target.name}: {result.rate:,.0f}/s,"
        f" p50 {result.p50:.1f} ms, p99 {result.p99:.1f} ms{statuses}"
        + (f", CPU {cost.app:.2f} + {cost.postgres:.2f} ms" if cost else "")
    )


def _costed(
    measure: Workload, target: Target, terms: Terms
) -> tuple[wrk.Result, report.Cost | None]:
    postmaster = cpu.postmaster(target.house.url)
    if target.pid is None or postmaster is None:
        return measure(target, terms), None
    app, postgres = cpu.of_tree(target.pid), cpu.of_tree(postmaster)
    result = measure(target, terms)
    each = 1000 / max(1, result.requests)
    app, postgres = cpu.of_tree(target.pid) - app, cpu.of_tree(postmaster) - postgres
    return result, report.Cost(app * each, postgres * each)
