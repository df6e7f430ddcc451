"""The threads that work for requests."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from booking_site.patient_connection import Connection


class Threads:
    """A ThreadPoolExecutor for one kind of work, without a future for each piece of it."""

    def __init__(self, count: int, work: Callable[[Connection], None]) -> None:
        self._work = work
        self._waiting: SimpleQueue[Connection | None] = SimpleQueue()
        self._count = count
        for number in range(count):
            # A daemon: whoever still works when the patience with a stop is over is given up.
            Thread(target=self._run, name=f"request-{number}", daemon=True).start()

    def submit(self, conn: Connection) -> None:
        self._waiting.put(conn)

    def shutdown(self, wait: bool) -> None:
        for _ in range(self._count):
            self._waiting.put(None)

    def _run(self) -> None:
        while (conn := self._waiting.get()) is not None:
            self._work(conn)
