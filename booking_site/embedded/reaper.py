"""Signals the children of a process that has ended, whatever ended it; runs as its own process.

Standard input is a pipe that only the parent writes to, so its end is the parent's end. A line
`PID SIGNAL` registers a child, a line `PID 0` forgets one that has ended.
"""

import os
import sys
from contextlib import suppress

if __name__ == "__main__":
    children: dict[int, int] = {}
    for line in sys.stdin:
        pid, number = map(int, line.split())
        children[pid] = number
    for pid, number in children.items():
        if number:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
