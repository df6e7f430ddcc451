"""Configures logging: one JSON object per line in production, readable lines otherwise.

Without Django: granian and gunicorn use it before there are settings.
"""

import logging
import os
import re
import sys
from http import HTTPStatus
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# PostgreSQL quotes the row that it refuses, and so may disclose what a user entered.
_ROW_DATA = re.compile(r"^(DETAIL|CONTEXT):.*$", re.MULTILINE)


def without_row_data(text: str) -> str:
    return _ROW_DATA.sub(r"\1: (left out)", text)


def _is_not_busy(record: logging.LogRecord) -> bool:
    """Drop Django's line for a 503: the request's own line has the database's error as well."""
    return getattr(record, "status_code", None) != HTTPStatus.SERVICE_UNAVAILABLE


def _without_client_data(record: logging.LogRecord) -> bool:
    """Take the address and the text of a malformed request out of gunicorn's line."""
    if str(record.msg).startswith("Invalid request from ip="):
        record.msg = "A malformed request was refused."
    return True


def _hide_row_data(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    for name in ("event", "exception", "database"):
        if isinstance(event.get(name), str):
            event[name] = without_row_data(event[name])
    return event


class LogFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats records of the standard library's loggers, as structlog formats its own."""

    def __init__(self, *, as_json: bool | None = None) -> None:
        """By default, write JSON unless DEVELOPMENT is 1."""
        if as_json is None:
            as_json = os.environ.get("DEVELOPMENT") != "1"
        super().__init__(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *_COMMON],
            processors=[self.remove_processors_meta, _renderer(as_json)],
        )


def _renderer(as_json: bool) -> Processor:
    if as_json:
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())


_COMMON: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    # Without the values of variables.
    structlog.processors.format_exc_info,
    _hide_row_data,
]


def logging_config(*, as_json: bool) -> dict[str, Any]:
    """Return the configuration for `logging.config.dictConfig`, and configure structlog."""
    structlog.configure(
        processors=[*_COMMON, _renderer(as_json)],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "not_busy": {"()": lambda: _is_not_busy},
            "no_client_data": {"()": lambda: _without_client_data},
        },
        "formatters": {
            "lines": {"()": LogFormatter, "as_json": as_json},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            # Our own line for each request reports it already, without the query.
            "django.request": {"level": "ERROR", "filters": ["not_busy"]},
            "django.security": {"level": "CRITICAL"},
            # Its messages contain the e-mail address that was entered.
            "axes": {"level": "ERROR"},
            # During an outage it warns of every attempt, as does each request's line.
            "psycopg.pool": {"level": "ERROR"},
            "gunicorn.error": {
                "handlers": [],
                "level": "INFO",
                "propagate": True,
                "filters": ["no_client_data"],
            },
        },
    }
