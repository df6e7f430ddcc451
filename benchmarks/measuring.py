"""One run of a workload: warm-up, load, processor time, and the tables reset afterwards."""

from benchmarks import processes, wrk
from benchmarks.report import Cost, Results
from benchmarks.workloads import WORKLOADS, RunOptions, Send, Target

WARM_UP_SECONDS = 2


def run(results: Results, target: Target, options: RunOptions, *, is_first: bool) -> None:
    """Run the workload and add its result; the first time, warm the server up before."""
    send = WORKLOADS[results.name].send
    if is_first:
        send(target, RunOptions(seconds=WARM_UP_SECONDS, connections=options.connections))
        target.dataset.reset()
    result, cost = _run_with_cost(send, target, options)
    target.dataset.reset()
    results.runs.setdefault(target.name, []).append(result)
    if cost is not None:
        results.costs.setdefault(target.name, []).append(cost)
    statuses = f", {result.statuses}" if result.statuses else ""
    print(
        f"{results.name} on {target.name}: {result.rate:,.0f}/s,"
        f" p50 {result.p50:.1f} ms, p99 {result.p99:.1f} ms{statuses}"
        + (f", CPU {cost.app:.2f} + {cost.postgres:.2f} ms" if cost else ""),
        flush=True,
    )


def _run_with_cost(
    send: Send, target: Target, options: RunOptions
) -> tuple[wrk.Result, Cost | None]:
    postmaster = processes.postmaster(target.dataset.url)
    if not target.pids or postmaster is None:
        return send(target, options), None
    measured = (target.pids, [postmaster], target.proxies)
    before = [processes.cpu_seconds(pids) for pids in measured]
    result = send(target, options)
    used = [
        processes.cpu_seconds(pids) - start for pids, start in zip(measured, before, strict=True)
    ]
    per_request = 1000 / max(1, result.requests)
    return result, Cost(*(seconds * per_request for seconds in used))
