"""Whether the mail server responds, as far as this worker process knows."""

import time

# Without a pause after a failure, a server that hangs would delay all other tasks.
PAUSE_SECONDS = 15.0


class MailServer:
    """Avoided for `PAUSE_SECONDS` after each failure of the server itself."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start as after an outage, because the server may have been down before this worker."""
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

    def take_recovery(self) -> bool:
        """Return whether a mail has been sent after failures; True once for each outage."""
        is_back, self._is_back = self._is_back, False
        return is_back


mail_server = MailServer()
