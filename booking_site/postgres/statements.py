"""Statements that stand in every request, sent past cursors, and together where they can be.

By Django's cursor a small statement takes the app 93 µs, by psycopg's 68, by libpq's own
calls, which psycopg offers as `psycopg.pq`, 31; and four that are sent together
(https://www.postgresql.org/docs/current/libpq-pipeline-mode.html) take 36, as they cost one
wait. Everything else goes through Django's cursors: this is for what a rush is made of.
"""

import re
import select
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

import psycopg
from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError
from django.db.utils import DEFAULT_DB_ALIAS
from psycopg import abc, errors, pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq.abc import PGresult

Rows = list[tuple[Any, ...]]
Answer = Rows | psycopg.Error

_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?s|%%")
_numbers = count(1)


class Statement:
    """An SQL text with the placeholders of Django's cursors, `%s` or `%(name)s`.

    PostgreSQL is not told what the values are: where the place of one does not say
    it, the text has to, as in `%(seats)s::bigint[]`.
    """

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.name = f"statement_{next(_numbers)}".encode()
        self.keys: list[Any] = []
        self.text = _PLACEHOLDER.sub(self._number, sql).encode()

    def _number(self, found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        key = found[1] or len(self.keys)
        if key not in self.keys:
            self.keys.append(key)
        return f"${self.keys.index(key) + 1}"

    def row(self, **values: Any) -> tuple[Any, ...] | None:
        """Return the first row, if there is one. Raise what a cursor would raise."""
        return next(iter(self.rows(**values)), None)

    def rows(self, **values: Any) -> Rows:
        """Return all rows. Raise what a cursor would raise."""
        return ask(Call(self, values))


class Call(NamedTuple):
    """A statement with the values for its placeholders, by name or in their order."""

    statement: Statement
    values: Mapping[str, Any] | Sequence[Any]


def ask(call: Call) -> Rows:
    """Return the rows of the statement. Raise what a cursor would raise."""
    connection = connections[DEFAULT_DB_ALIAS]
    link = _link(connection)
    with connection.wrap_database_errors:
        answer = _answered_ahead(link, call)
        if answer is None:
            (answer,) = _send(connection, link, call)
        if isinstance(answer, psycopg.Error):
            raise answer
        return answer


def _answered_ahead(link: "_Link", call: Call) -> Answer | None:
    if link.ahead and link.ahead[0][0] == call:
        return link.ahead.popleft()[1]
    link.forget_ahead()
    return None


def forget_ahead(psycopg_connection: Any) -> None:
    """Before a cursor asks something: forget what was sent ahead. Raise an error among it."""
    link: _Link | None = vars(psycopg_connection).get("_link")
    if link is not None:
        link.forget_ahead()


@contextmanager
def sent_ahead(*calls: Call) -> Iterator[None]:
    """Send the calls at once, each to be answered when it is asked within the block.

    They are done in this order, as if each had been asked in its turn. As soon as something
    else is asked than expected, here or by a cursor, the answers that are left are forgotten,
    so nothing read too early is ever used; what they locked stays locked until the transaction
    ends. An error is raised where its call is asked, or where they are forgotten: it has ended
    the transaction. Those behind it were not done.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if not connection.in_atomic_block:
        raise TransactionManagementError("What is locked ahead must be kept by a transaction.")
    link = _link(connection)
    with connection.wrap_database_errors:
        link.ahead = deque(zip(calls, _send(connection, link, *calls), strict=True))
    try:
        yield
        with connection.wrap_database_errors:
            link.forget_ahead()
    finally:
        link.ahead.clear()


def _link(connection: BaseDatabaseWrapper) -> "_Link":
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    facts = vars(connection.connection)
    link: _Link | None = facts.get("_link")
    if link is None:
        link = facts["_link"] = _Link(connection.connection)
    return link


def _send(connection: BaseDatabaseWrapper, link: "_Link", *calls: Call) -> list[Answer]:
    for call in calls:
        _tell(connection, call)
    return link.send(calls)


def _tell(connection: BaseDatabaseWrapper, call: Call) -> None:
    """Show the call to whom Django's cursors would show it: the log's count, and tests.

    They are told before it is sent: what they would change, time or catch has no effect.
    """
    sql, values = call.statement.sql, call.values
    for look in connection.execute_wrappers:
        look(_go_on, sql, values, False, {"connection": connection, "cursor": None})
    if connection.queries_logged:
        text = connection.ops.compose_sql(sql, values)  # type: ignore[attr-defined] # of PostgreSQL only
        connection.queries_log.append({"sql": text, "time": "0.000"})


def _go_on(*what: Any) -> None:
    """Stand in for the cursor that a wrapper is to call: the statement is sent afterwards."""


def _error_of(result: PGresult) -> psycopg.Error | None:
    failed = result.status == pq.ExecStatus.FATAL_ERROR
    return errors.error_from_result(result) if failed else None


class _Link:
    """What is said to PostgreSQL over one connection of psycopg."""

    def __init__(self, psycopg_connection: psycopg.Connection[Any]) -> None:
        self.ahead: deque[tuple[Call, Answer]] = deque()
        self._connection = psycopg_connection
        self._pq = psycopg_connection.pgconn
        self._poll = select.poll()
        self._prepares = settings.DATABASE_PREPARE
        # What PostgreSQL knows by name.
        self._prepared: set[Statement] = set()
        # Each keeps how the columns of its statement are read.
        self._transformers: dict[Statement, abc.Transformer] = {}

    def forget_ahead(self) -> None:
        """Forget the answers that nobody asked for. Raise the error among them.

        It has ended the transaction: else the next statement would be told only that, and
        COMMIT would roll back in silence.
        """
        answers = [answer for _, answer in self.ahead]
        self.ahead.clear()
        for answer in answers:
            if isinstance(answer, psycopg.Error):
                raise answer

    def send(self, calls: Sequence[Call]) -> list[Answer]:
        """Return the rows of each call; or the error, which stands for those behind it too.

        Raise psycopg's OperationalError when the connection is lost.
        """
        steps: list[Call | Statement | None] = []  # rows, a name, and nothing are wanted of them
        results: list[PGresult] = []
        try:
            self._pq.enter_pipeline_mode()
            if not self._connection.autocommit and self._is_idle():
                self._pq.send_query_params(b"BEGIN", None)
                steps.append(None)
            for call in calls:
                statement = call.statement
                if self._prepares and statement not in self._prepared and statement not in steps:
                    self._pq.send_prepare(statement.name, statement.text)
                    steps.append(statement)
                self._put(call)
                steps.append(call)
            self._pq.pipeline_sync()
            results.extend(self._results())
            self._pq.exit_pipeline_mode()
        except BaseException:  # what is still on its way must not answer what is asked later
            self._connection.close()
            if results and (error := _error_of(results[-1])):
                raise error from None  # PostgreSQL has said why it ends the connection
            raise
        return list(self._answers(steps, results))

    def _is_idle(self) -> bool:
        return self._pq.transaction_status == pq.TransactionStatus.IDLE

    def _put(self, call: Call) -> None:
        statement, given = call
        transformer = self._transformers.get(statement)
        if transformer is None:
            transformer = self._transformers[statement] = Transformer.from_context(self._connection)
        formats = [PyFormat.TEXT] * len(statement.keys)
        values = transformer.dump_sequence([given[key] for key in statement.keys], formats)
        if self._prepares:
            self._pq.send_query_prepared(statement.name, values)
        else:
            self._pq.send_query_params(statement.text, values)

    def _results(self) -> Iterator[PGresult]:
        """Wait for the results, and for the end of the pipeline behind them."""
        while self._pq.flush():  # more than the socket takes at once
            self._await(select.POLLIN | select.POLLOUT)
        while True:
            while self._pq.is_busy():
                self._await(select.POLLIN)
            result = self._pq.get_result()
            if result is None:  # stands behind each of them
                continue
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                return
            yield result

    def _await(self, events: int) -> None:
        self._poll.register(self._pq.socket, events)
        self._poll.poll()
        self._pq.consume_input()

    def _answers(
        self, steps: Sequence[Call | Statement | None], results: Sequence[PGresult]
    ) -> Iterator[Answer]:
        error: psycopg.Error | None = None
        for step, result in zip(steps, results, strict=True):
            error = error or _error_of(result)
            if isinstance(step, Call):
                yield error or self._rows(step.statement, result)
            elif isinstance(step, Statement) and error is None:
                self._prepared.add(step)

    def _rows(self, statement: Statement, result: PGresult) -> Rows:
        transformer = self._transformers[statement]
        transformer.set_pgresult(result)
        rows = transformer.load_rows(0, result.ntuples, tuple)
        transformer.set_pgresult(None)  # else it is kept for as long as the connection
        return rows
