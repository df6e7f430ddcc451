"""gunicorn's log, where nobody wants an access log of it."""

from typing import Any

from gunicorn.glogging import Logger


class Log(Logger):  # type: ignore[misc] # gunicorn is untyped
    """Prepares no line for a request that nobody writes: the site has its own (request_log.py)."""

    def access(self, *facts: Any) -> None:
        if self.cfg.accesslog:
            super().access(*facts)
