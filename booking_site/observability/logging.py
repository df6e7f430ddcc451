"""How everything is logged: one JSON object a line in production, readable lines else.

No Django here: granian and gunicorn read this before there are settings.
"""

import logging
import os
import re
import sys
from http import HTTPStatus
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# PostgreSQL repeats the row that it refuses, and with it what somebody typed.
_ROW_DATA = re.compile(r"^(DETAIL|CONTEXT):.*$", re.MULTILINE)


def without_row_data(text: str) -> str:
    return _ROW_DATA.sub(r"\1: (left out)", text)


def _is_not_busy(record: logging.LogRecord) -> bool:
    """Leave out Django's line for a 503: the request's own has it, and what the database said."""
    return getattr(record, "status_code", None) != HTTPStatus.SERVICE_UNAVAILABLE


def _hide_row_data(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    for name in ("event", "exception", "database"):
        if isinstance(event.get(name), str):
            event[name] = without_row_data(event[name])
    return event


class Lines(structlog.stdlib.ProcessorFormatter):
    """structlog's formatter without its copy of every record, which nothing here needs."""

    def __init__(self, *, as_json: bool | None = None) -> None:
        """Write JSON unless told otherwise, or by default unless DEVELOPMENT is on."""
        if as_json is None:
            as_json = os.environ.get("DEVELOPMENT") != "1"
        renderer: Processor = (
            structlog.processors.JSONRenderer(ensure_ascii=False)
            if as_json
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        )
        super().__init__(
            foreign_pre_chain=_COMMON, processors=[self.remove_processors_meta, renderer]
        )
        self._renderer = renderer

    def format(self, record: logging.LogRecord) -> str:
        if not hasattr(record, "_logger"):  # not of structlog: its chain has still to be run
            return super().format(record)
        event: dict[str, Any] = record.msg  # type: ignore[assignment] # left there by structlog
        return str(self._renderer(None, "", event.copy()))  # renderers may take it apart


_COMMON: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    # Tracebacks without the values of variables.
    structlog.processors.format_exc_info,
    _hide_row_data,
]


def logging_config(*, as_json: bool) -> dict[str, Any]:
    """Return the configuration for `logging.config.dictConfig`, and set up structlog itself."""
    # Named by no line of ours, and looked up for each: logging's own advice to spare them.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    structlog.configure(
        processors=[*_COMMON, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"not_busy": {"()": lambda: _is_not_busy}},
        "formatters": {
            "lines": {"()": Lines, "as_json": as_json},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            # Our own line for each request says it already, without the address bar.
            "django.request": {"level": "ERROR", "filters": ["not_busy"]},
            "django.security": {"level": "CRITICAL"},
            # It names the e-mail address that was typed.
            "axes": {"level": "ERROR"},
            # While PostgreSQL is away it warns of every attempt; each request's line says it too.
            "psycopg.pool": {"level": "ERROR"},
            "gunicorn.error": {"handlers": [], "level": "INFO", "propagate": True},
        },
    }
