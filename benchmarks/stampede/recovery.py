"""How long writes failed after a fault."""

from benchmarks.stampede.journal import FaultLine, History

WRITES = ("book", "hold")


def recovery(fault: FaultLine, history: History) -> float | None:
    """Return the longest time in seconds without a successful write that began during the fault.

    None if no write succeeded after its repair.
    """
    successes = sorted(
        call.answered
        for call in history.calls
        if call.op in WRITES
        and call.succeeded
        and call.answered >= fault.began
        and (fault.servers is None or call.server in fault.servers)
    )
    longest, last = 0.0, fault.began
    for success in successes:
        longest = max(longest, success - last)
        last = success
        if last > fault.ended:
            return longest
    return None
