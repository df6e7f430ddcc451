"""The first process of the namespaces: runs one command, and ends everything when it ends.

It adopts processes whose parent has ended, such as PostgreSQL's when Patroni is killed, and reaps
them, because Patroni takes a zombie for a running server.
"""

import os
import signal
import sys
from types import FrameType

child = 0


def _forward(number: int, _: FrameType | None) -> None:
    # The terminal sends its own signals to the command as well.
    if child and number == signal.SIGTERM:
        os.kill(child, number)


if __name__ == "__main__":
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, _forward)
    if not (child := os.fork()):
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 (no outside input)
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            sys.exit(code if code >= 0 else 128 - code)
