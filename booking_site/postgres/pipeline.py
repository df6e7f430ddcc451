"""Sends several prepared statements to PostgreSQL in one round trip.

A booking takes two: one for its locks and reads, one for its writes and COMMIT. This module
calls libpq through `psycopg.pq`, because psycopg's `connection.pipeline()` takes much more
processor time and reports the error of a statement at the next one
(docs/decisions/0016-two-round-trips.md). Only the busiest calls use it; all others use querysets
and cursors.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import count
from time import monotonic
from typing import Any, NamedTuple

import psycopg
from django.conf import settings
from django.db import OperationalError, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, Field, Lookup, QuerySet
from django.db.transaction import TransactionManagementError
from django.db.utils import DEFAULT_DB_ALIAS
from psycopg import abc, errors, generators, pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq.abc import PGresult
from psycopg.types.datetime import TimestamptzLoader

from booking_site.postgres.connection import waiting_until

Rows = list[tuple[Any, ...]]

# A column has changed, so the plan is invalid; or a pooler or DISCARD ALL has dropped the
# prepared statement. In both cases every statement is prepared again at its next use.
STALE_PLAN = {"0A000", "26000"}

_PLACEHOLDER = re.compile(r"%\((\w+)\)s|%%")
_numbers = count(1)


class CommitUnknown(OperationalError):
    """COMMIT was sent, but its outcome is unknown.

    Either the connection was lost, or closed after a timeout, before the result arrived; or
    PostgreSQL stopped waiting for a synchronous standby: then the change is visible, but a failover
    can lose it. `deadline` is the time by which the process has to answer.
    """

    def __init__(self, message: str, deadline: float = 0.0) -> None:
        super().__init__(message)
        self.deadline = deadline


class Param(Expression):
    """A named parameter in the queryset of a `Statement`."""

    def __init__(self, name: str) -> None:
        super().__init__(output_field=models.BigIntegerField())
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)


@Field.register_lookup
class AmongLookup(Lookup):
    """`pk__among=`: one SQL text for any number of ids, where `__in` has one for each."""

    lookup_name = "among"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, before = self.process_lhs(compiler, connection)
        ids, behind = self.process_rhs(compiler, connection)
        # The SELECT hides the value from the planner. Otherwise it would plan every execution,
        # because it estimates a generic plan for an unknown list as more expensive.
        return f"{column} = ANY((SELECT {ids}::bigint[])::bigint[])", (*before, *behind)


class Call(NamedTuple):
    """A statement, and the values of its parameters."""

    statement: "Statement"
    values: Mapping[str, Any]


class _Compiled(NamedTuple):
    sql: str  # with the placeholders of a cursor
    text: bytes  # with PostgreSQL's own, such as $1
    names: list[str]  # of the parameters, in their order
    constants: dict[str, Any]  # the values that the queryset itself contains
    locks: bool


class Statement:
    """An SQL statement, compiled once, and prepared once for each connection.

    `source` is SQL with placeholders such as `%(seat_ids)s::bigint[]`, with a cast where
    PostgreSQL can't infer the type, or a function that returns such SQL or a queryset of tuples
    (`values_list`). psycopg converts the columns; Django's converters are not called.
    """

    def __init__(self, source: str | Callable[[], str | QuerySet[Any, Any]]) -> None:
        self._source = source
        self.name = f"statement_{next(_numbers)}".encode()

    def __call__(self, **values: Any) -> Call:
        return Call(self, values)

    def rows(self, *, using: str = DEFAULT_DB_ALIAS, **values: Any) -> Rows:
        """Execute it and return its rows."""
        return execute(Call(self, values), using=using)[0]

    def row(self, *, using: str = DEFAULT_DB_ALIAS, **values: Any) -> tuple[Any, ...] | None:
        """Execute it and return its first row, or None."""
        return next(iter(self.rows(using=using, **values)), None)

    @cached_property
    def compiled(self) -> _Compiled:
        return self.compile()

    def compile(self) -> _Compiled:
        source = self._source if isinstance(self._source, str) else self._source()
        constants: dict[str, Any] = {}
        locks = False
        if isinstance(source, str):
            sql = source
        else:
            query = source.query
            sql, params = query.get_compiler(DEFAULT_DB_ALIAS).as_sql()
            keys = [
                p.name if isinstance(p, Param) else f"constant{i}" for i, p in enumerate(params)
            ]
            constants = dict(zip(keys, params, strict=True))
            # Integers become part of the text, so that other SQL can contain it.
            sql = sql.replace("%%", "%%%%") % tuple(
                int(p) if isinstance(p, int) and not isinstance(p, bool) else f"%({key})s"
                for key, p in zip(keys, params, strict=True)
            )
            locks = query.select_for_update
        names: list[str] = []

        def numbered(found: re.Match[str]) -> str:
            if found[1] is None:
                return "%"
            if found[1] not in names:
                names.append(found[1])
            return f"${names.index(found[1]) + 1}"

        return _Compiled(sql, _PLACEHOLDER.sub(numbered, sql).encode(), names, constants, locks)


def execute(*calls: Call, using: str = DEFAULT_DB_ALIAS) -> list[Rows]:
    """Execute the calls in order, in one round trip, and return the rows of each.

    If one fails, raise its error; those after it are not executed.
    """
    connection = connections[using]
    session = _session_of(connection)
    _show(connection, calls)
    with connection.wrap_database_errors:
        results = session.send(calls)
        if _is_stale(results[-1]) and not connection.in_atomic_block:
            results = session.send(calls)
        return [session.rows(*pair) for pair in zip(calls, results, strict=True)]


def execute_with_commit(*calls: Call) -> None:
    """Execute the last writes of a transaction in one round trip with its COMMIT.

    They are sent, and raise their errors, when the outermost `atomic` block ends. In an inner
    block, which does not commit, they are executed at once.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if not connection.in_atomic_block:
        raise TransactionManagementError("There is no transaction to commit.")
    if connection.savepoint_ids:
        execute(*calls)
    else:
        connection.validate_no_broken_transaction()
        connection.writes_with_commit = calls  # type: ignore[attr-defined] # of our backend


def commit(connection: BaseDatabaseWrapper, writes: Sequence[Call]) -> None:
    """Execute the writes and COMMIT. The backend calls this when Django ends a transaction.

    Return only after the result of COMMIT has arrived. Raise `CommitUnknown`, in a web process
    after COMMIT_TIMEOUT_MS, or the error that rolled the transaction back.
    """
    session = _session_of(connection)
    if session.is_idle and not writes:
        return
    _show(connection, writes)
    session.warnings.clear()
    deadline = monotonic() + settings.COMMIT_TIMEOUT_MS / 1000
    with waiting_until(deadline):
        *written, committed = session.send([*writes, _COMMIT])
    for pair in zip(writes, written, strict=True):
        if _sqlstate(pair[1]):  # it failed, so COMMIT was not executed
            session.rows(*pair)
    if isinstance(committed, psycopg.Error):
        if committed.diag.severity_nonlocalized == "ERROR":
            raise committed
        raise CommitUnknown("The connection was lost at COMMIT.", deadline) from committed
    if session.warnings:
        raise CommitUnknown(session.warnings[0], deadline)
    if committed.command_status != b"COMMIT":
        raise TransactionManagementError("The transaction was rolled back.")


def failed_statement(error: Exception) -> Statement | None:
    """Return the statement that caused the error."""
    return getattr(error.__cause__, "statement", None)


def _session_of(connection: BaseDatabaseWrapper) -> "_Session":
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    attributes = vars(connection.connection)
    session: _Session | None = attributes.get("_session")
    if session is None:
        session = attributes["_session"] = _Session(connection.connection)
    return session


def _show(connection: BaseDatabaseWrapper, calls: Sequence[Call]) -> None:
    """Report the calls to Django's execute wrappers and query log, as a cursor would.

    The request log and the tests count statements there. The calls are sent afterwards, so a
    wrapper can neither change nor time them.
    """
    for call in calls:
        compiled = call.statement.compiled
        if compiled.locks and not connection.in_atomic_block:
            raise TransactionManagementError("A lock needs a transaction, or it ends at once.")
        values = {**compiled.constants, **call.values}
        for wrapper in connection.execute_wrappers:
            wrapper(_sent_later, compiled.sql, values, False, {"connection": connection})
        if connection.queries_logged:
            sql = connection.ops.compose_sql(compiled.sql, values)  # type: ignore[attr-defined]
            connection.queries_log.append({"sql": sql, "time": "0.000"})


def _sent_later(*arguments: Any) -> None:
    """Do nothing: the `execute` that wrappers call."""


def _sqlstate(result: PGresult | psycopg.Error) -> str | None:
    return result.sqlstate if isinstance(result, psycopg.Error) else None


def _is_stale(result: PGresult | psycopg.Error) -> bool:
    return _sqlstate(result) in STALE_PLAN


def _array_text(value: Any) -> Any:
    """Write a list of numbers as text, because psycopg's dumper of lists is slow."""
    return f"{{{','.join(map(str, value))}}}" if type(value) is list else value


_COMMIT = Call(Statement("COMMIT"), {})


class _Session:
    """The prepared statements of one psycopg connection."""

    def __init__(self, psycopg_connection: psycopg.Connection[Any]) -> None:
        self.warnings: list[str] = []
        self._connection = psycopg_connection
        self._pq = psycopg_connection.pgconn
        self._prepares = settings.DATABASE_PREPARE
        self._prepared: dict[bytes, bytes] = {}  # texts by name
        self._transformers: dict[Statement, abc.Transformer] = {}  # which cache loaders
        # Django's loader of timestamps is written in Python. In UTC, psycopg's does the same.
        self._context = psycopg_connection.cursor()
        self._context.adapters.register_loader("timestamptz", TimestamptzLoader)
        psycopg_connection.add_notice_handler(self._note)

    @property
    def is_idle(self) -> bool:
        return self._pq.transaction_status == pq.TransactionStatus.IDLE

    def send(self, calls: Sequence[Call]) -> list[PGresult | psycopg.Error]:
        """Return the result of each call; after an error, that error for all calls that follow.

        If the connection is lost, it is closed, and the first call without a result has the error.
        """
        steps: list[Call | None] = []  # the call of each result; None for BEGIN and PREPARE
        results: list[PGresult] = []
        lost: psycopg.Error | None = None
        try:
            self._pq.enter_pipeline_mode()
            if not self._connection.autocommit and self.is_idle:
                self._pq.send_query_params(b"BEGIN", None)
                steps.append(None)
            for call in calls:
                steps += [None] * self._put(call)
                steps.append(call)
            self._pq.pipeline_sync()
            results.extend(self._results())
            self._pq.exit_pipeline_mode()
        except psycopg.Error as error:
            self._connection.close()
            lost = error
        except BaseException:
            # Results that arrive later must not be taken for those of the next call.
            self._connection.close()
            raise
        return list(self._assigned(steps, results, lost))

    def rows(self, call: Call, result: PGresult | psycopg.Error) -> Rows:
        """Return the rows of the result. If it is an error, raise it."""
        if isinstance(result, psycopg.Error):
            raise result
        transformer = self._transformers[call.statement]
        transformer.set_pgresult(result)
        rows = transformer.load_rows(0, result.ntuples, tuple)
        transformer.set_pgresult(None)  # frees the memory of the result
        return rows

    def _put(self, call: Call) -> int:
        """Send the call; return the number of results that precede its own."""
        statement, values = call
        _, text, names, constants, _ = statement.compiled
        transformer = self._transformers.get(statement)
        if transformer is None:
            transformer = self._transformers[statement] = Transformer.from_context(self._context)
        given = [_array_text(values[name] if name in values else constants[name]) for name in names]
        dumped = transformer.dump_sequence(given, [PyFormat.TEXT] * len(names))
        if not self._prepares or call is _COMMIT:
            self._pq.send_query_params(text, dumped)
            return 0
        is_prepared = self._prepared.get(statement.name) == text
        if not is_prepared:
            self._pq.send_close_prepared(statement.name)
            self._pq.send_prepare(statement.name, text)
            self._prepared[statement.name] = text
        self._pq.send_query_prepared(statement.name, dumped)
        return 0 if is_prepared else 2

    def _results(self) -> Iterator[PGresult]:
        """Yield the results until the end of the pipeline."""
        self._connection.wait(generators.send(self._pq))
        while True:
            result = self._connection.wait(generators.fetch(self._pq))
            if result is None:  # the end of one statement's results
                continue
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                return
            yield result

    def _assigned(
        self, steps: Sequence[Call | None], results: Sequence[PGresult], lost: psycopg.Error | None
    ) -> Iterator[PGresult | psycopg.Error]:
        error: psycopg.Error | None = None
        for index, step in enumerate(steps):
            result = results[index] if index < len(results) else None
            if error is None and (result is None or result.status == pq.ExecStatus.FATAL_ERROR):
                # The statement that failed was not prepared, nor were those after it.
                self._prepared.clear()
                error = errors.error_from_result(result) if result else lost
                call = step or next(filter(None, steps[index:]))
                vars(error)["statement"] = call.statement
            if step is not None:
                yield error or results[index]

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self.warnings.append(notice.message_primary or "")
