"""Sets up new connections, and detects poolers that are unsafe for this site.

A pooler in transaction mode, such as PgBouncer, may serve each transaction of a client on another
connection to PostgreSQL. Its clients then share everything that belongs to a session: settings,
advisory locks and prepared statements. See `docs/decisions/0020-poolers.md`.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connections
from django.db.utils import DEFAULT_DB_ALIAS
from psycopg import generators

from booking_site.postgres.connection import WebConnection

logger = logging.getLogger(__name__)

Session = psycopg.Connection[Any]

_NEEDS_DIRECT = (
    "The worker and commands use locks of their session: set DATABASE_DIRECT_URL to an address"
    " of PostgreSQL itself."
)
_MIXES_STATEMENTS = (
    "The pooler does not separate the prepared statements of its clients, so one could get the rows"
    " of another's SQL: set DATABASE_PREPARE=0, or max_prepared_statements in PgBouncer 1.21 or"
    " newer."
)
_NO_TRANSACTIONS = (
    "The pooler allows no transactions: set pool_mode to transaction in PgBouncer, not statement."
)


class UnsafePooler(ImproperlyConfigured):
    """The address of the database leads to a pooler that is unsafe for this process."""

    def __init__(self, errors: Sequence[str]) -> None:
        lines = "".join(f"\n- {error}" for error in errors)
        super().__init__(
            "The address of the database leads to a pooler, such as PgBouncer, that is unsafe for"
            f" this process (see docs/operations.md):{lines}"
        )


def configure(session: Session) -> None:
    """Apply the site's settings to a new connection. Behind a pooler, check them instead.

    Raise `UnsafePooler`.
    """
    if _is_pooled(session):
        if errors := _web_errors(session) if settings.WEB else [_NEEDS_DIRECT]:
            refusal = UnsafePooler(errors)
            if settings.WEB:  # The pool of connections catches it.
                logger.error(refusal)
            raise refusal
    else:
        wanted = settings.WEB_SESSION_SETTINGS if settings.WEB else settings.SESSION_SETTINGS
        session.execute(
            "SELECT set_config(name, value, false)"
            "  FROM unnest(%s::text[], %s::text[]) AS wanted (name, value)",
            [list(wanted), list(wanted.values())],
        )


def refuse_unsafe_pooler() -> None:
    """Raise `UnsafePooler` if web processes must not start.

    Without a connection they may start, because each later connection is checked as well.
    """
    with suppress(OperationalError):
        if errors := web_errors():
            raise UnsafePooler(errors)


def web_errors() -> list[str]:
    """Connect as web processes do, and return a sentence for each reason not to start one.

    Raise `OperationalError` if PostgreSQL does not respond.
    """
    web = connections[DEFAULT_DB_ALIAS].copy()
    web.settings_dict |= settings.WEB_DATABASE
    with (
        web.wrap_database_errors,
        WebConnection.connect(**web.get_connection_params(), autocommit=True) as session,
    ):
        return _web_errors(session) if _is_pooled(session) else []


def _is_pooled(session: Session) -> bool:
    """Return whether the server's process id differs from the one sent when it connected.

    A pooler sends a number of its own, because any of its connections may serve the client.
    """
    (pid,) = _row(session, "SELECT pg_backend_pid()")
    return bool(pid != session.info.backend_pid)


def _web_errors(session: Session) -> list[str]:
    try:
        with session.transaction():  # on one connection of the pooler
            errors = list(_missing_settings(session))
            if settings.DATABASE_PREPARE and _passes_names_on(session):
                errors.append(_MIXES_STATEMENTS)
    except psycopg.errors.ProtocolViolation:
        return [_NO_TRANSACTIONS]
    return errors


def _missing_settings(session: Session) -> Iterator[str]:
    (role,) = _row(session, "SELECT quote_ident(current_user)")
    for name, wanted in settings.WEB_SESSION_SETTINGS.items():
        (value,) = _row(session, "SELECT setting FROM pg_settings WHERE name = %s", name)
        if value != wanted:
            yield (
                f"{name} is {value} instead of {wanted}: ALTER ROLE {role} SET {name} = {wanted};"
                " then let the pooler reconnect."
            )


def _passes_names_on(session: Session) -> bool:
    """Return whether a prepared statement has the same name in PostgreSQL as here.

    PgBouncer with `max_prepared_statements` gives each statement its own name.
    """
    name = f"booking_site_{uuid4().hex}"
    session.pgconn.send_prepare(name.encode(), b"SELECT 1")
    session.wait(generators.execute(session.pgconn))
    (is_there,) = _row(
        session,
        "SELECT EXISTS (SELECT FROM pg_prepared_statements WHERE name = %s)",
        name,
    )
    session.pgconn.send_close_prepared(name.encode())
    session.wait(generators.execute(session.pgconn))
    return bool(is_there)


def _row(session: Session, query: str, *values: str) -> tuple[Any, ...]:
    row = session.execute(query, values).fetchone()
    assert row is not None  # noqa: S101 - for the type checker
    return tuple(row)


if __name__ == "__main__":
    try:
        refuse_unsafe_pooler()
    except UnsafePooler as error:
        sys.exit(str(error))
