"""Whether the mail server responds, as far as this worker process knows."""

import time

# After a failure, so that a server that hangs does not keep the worker from other tasks.
PAUSE_SECONDS = 15.0


class MailServer:
    """Avoided for a moment after each failure of the server itself."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget the past, as a worker that starts does: the server may have been down."""
        self._next_try = 0.0
        self._was_down = True
        self._is_back = False

    def failed(self) -> None:
        self._next_try = time.monotonic() + PAUSE_SECONDS
        self._was_down = True

    def succeeded(self) -> None:
        self._is_back |= self._was_down
        self._was_down = False

    def is_avoided(self) -> bool:
        return time.monotonic() < self._next_try

    def is_back(self) -> bool:
        """Return whether a mail has been sent after failures; True once for each outage."""
        was_back, self._is_back = self._is_back, False
        return was_back


mail_server = MailServer()
