"""Pipelined statements behave like those of cursors, and the result of COMMIT decides."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from decimal import Decimal
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import (
    DataError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    close_old_connections,
    connection,
    transaction,
)
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from booking_site.postgres.pipeline import (
    CommitUnknown,
    Param,
    Statement,
    execute,
    execute_with_commit,
    failed_statement,
)
from bookings.transactions import in_transaction
from catalog.models import Movie, Seat
from tests.factories import MovieFactory, ShowFactory, make_seats

pytestmark = pytest.mark.django_db(transaction=True)

PID = Statement("SELECT pg_backend_pid()")
COUNT = Statement("SELECT count(*) FROM movies")
RENAME = Statement("UPDATE movies SET title = %(title)s WHERE id = %(id)s RETURNING title")
TITLE = Statement("SELECT title FROM movies WHERE id = %(id)s")
SET_LIMIT = "SET LOCAL lock_timeout = '50ms'"


@pytest.fixture(params=[True, False], ids=["prepared", "unprepared"])
def new_connection(request: pytest.FixtureRequest, settings: Any) -> None:
    """A connection without prepared statements, behind a pooler or not."""
    settings.DATABASE_PREPARE = request.param
    connection.close()


@pytest.mark.usefixtures("new_connection")
def test_values_are_converted_as_by_a_cursor(settings: Any) -> None:
    now = timezone.now()
    values = {
        "text": 'Søren\'s 100 % \\ "film"',
        "nothing": None,
        "number": 2**62,
        "truth": True,
        "money": Decimal("12.50"),
        "time": now,
        "while": timedelta(minutes=110),
        "id": uuid4(),
        "numbers": [3, 1, 2],
        "amounts": [Decimal("1.5"), Decimal(2)],
        "none": [],
    }
    types = "text text bigint boolean numeric timestamptz interval uuid bigint[] numeric[] bigint[]"
    columns = [f"%({name})s::{kind}" for name, kind in zip(values, types.split(), strict=True)]
    sql = f"SELECT {', '.join(columns)}, %(text)s::text, '100 %%'"
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        expected = cursor.fetchall()
    assert expected[0][:-2] == tuple(values.values())
    statement = Statement(sql)
    for _ in range(3):
        assert statement.rows(**values) == expected
    known = Statement("SELECT FROM pg_prepared_statements WHERE name = %(name)s")
    assert bool(known.rows(name=statement.name.decode())) is settings.DATABASE_PREPARE


@pytest.mark.usefixtures("new_connection")
def test_errors_are_those_of_a_cursor_and_the_connection_stays_usable() -> None:
    movie = MovieFactory()
    copy = Statement("INSERT INTO movies (id, title) VALUES (%(id)s, 'Copy')")
    for statement, values, kind in [
        (copy, {"id": movie.pk}, IntegrityError),
        (TITLE, {"id": "no number"}, DataError),
        (Statement("SELECT nonsense"), {}, ProgrammingError),
    ]:
        for _ in range(2):
            with pytest.raises(kind) as caught:
                statement.rows(**values)
            assert isinstance(caught.value.__cause__, psycopg.Error)
            assert caught.value.__cause__.sqlstate
        assert COUNT.row() == (1,)


def test_statements_begin_the_transaction_and_are_rolled_back_with_it() -> None:
    movie = MovieFactory(title="Before")
    with transaction.atomic():
        assert RENAME.rows(title="After", id=movie.pk) == [("After",)]
        assert elsewhere(lambda: TITLE.rows(id=movie.pk)) == [("Before",)]
        transaction.set_rollback(True)
    assert TITLE.rows(id=movie.pk) == [("Before",)]
    with transaction.atomic():
        RENAME.rows(title="After", id=movie.pk)
    assert TITLE.rows(id=movie.pk) == [("After",)]


def test_nothing_is_sent_in_a_broken_transaction() -> None:
    with transaction.atomic():
        with pytest.raises(DataError), transaction.atomic():
            TITLE.rows(id="no number")
        assert COUNT.row() == (0,)
        with pytest.raises(DataError), transaction.atomic(savepoint=False):
            TITLE.rows(id="no number")
        with pytest.raises(TransactionManagementError):
            COUNT.row()


def test_a_rollback_deallocates_no_statement() -> None:
    """It would if psycopg had prepared statements itself."""
    for _ in range(3):
        with transaction.atomic():
            COUNT.row()
            for _ in range(7):
                list(Movie.objects.filter(title="x"))
            transaction.set_rollback(True)
    assert COUNT.row() == (0,)


@pytest.mark.parametrize("block", [transaction.atomic, nullcontext])
def test_a_lost_connection_is_an_operational_error_and_the_next_is_new(
    block: Callable[[], AbstractContextManager[None]],
) -> None:
    end_connection()
    with pytest.raises(OperationalError), block():
        COUNT.row()
    close_old_connections()  # as every request does
    assert COUNT.row() == (0,)


def test_a_connection_is_closed_when_the_wait_for_its_result_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise the next statement would get that result."""

    def stop(*arguments: Any) -> None:
        raise KeyboardInterrupt

    connection.ensure_connection()
    monkeypatch.setattr(psycopg.Connection, "wait", stop)
    with pytest.raises(KeyboardInterrupt):
        COUNT.row()
    assert connection.connection.closed
    connection.close()


def test_a_connection_lost_while_it_waits_reports_why() -> None:
    pid = PID.row()
    assert pid is not None
    sleep = Statement("SELECT pg_sleep(15)")
    with pytest.raises(OperationalError) as caught, ending_soon(pid[0]):
        sleep.row()
    assert getattr(caught.value.__cause__, "sqlstate", None) == "57P01"
    close_old_connections()
    assert COUNT.row() == (0,)


def test_other_threads_run_while_one_waits() -> None:
    """Waiting for PostgreSQL must release the interpreter lock."""
    movie = MovieFactory()
    locked, done = Event(), Event()

    def wait() -> None:
        with transaction.atomic():
            locked.wait(15)
            RENAME.rows(title="Second", id=movie.pk)
        done.set()

    with running(wait):
        with transaction.atomic():
            RENAME.rows(title="First", id=movie.pk)
            locked.set()
            while not waiting_for_a_lock():
                pass
            assert not done.is_set()
        assert done.wait(15)
    assert TITLE.rows(id=movie.pk) == [("Second",)]


# Querysets as statements


@pytest.fixture
def some_seats() -> Statement:
    def source() -> QuerySet[Any, Any]:
        wanted = Seat.objects.filter(pk__among=Param("ids"), show_id=Param("show"), row="A")
        locked = wanted.order_by("-number").select_for_update(of=("self",), no_key=True)
        return locked.values_list("pk", "number", "price")

    return Statement(source)


@pytest.mark.usefixtures("new_connection")
def test_the_rows_are_those_of_the_queryset_each_time(some_seats: Statement) -> None:
    seats = make_seats(ShowFactory(), "SSSS", "SSSS")
    foreign = make_seats(ShowFactory(), "SSSS")
    show_id = seats[0].show_id
    for wanted in (seats[1:6], [*seats[:1], *foreign], foreign, []):
        ids = [seat.pk for seat in wanted]
        expected = Seat.objects.filter(pk__in=ids, show_id=show_id, row="A").order_by("-number")
        with transaction.atomic():
            rows = some_seats.rows(ids=ids, show=show_id)
        assert rows == list(expected.values_list("pk", "number", "price"))


def test_a_lock_outside_a_transaction_is_refused(some_seats: Statement) -> None:
    for _ in range(2):
        with transaction.atomic():
            assert some_seats.rows(ids=[], show=1) == []
        with pytest.raises(TransactionManagementError):
            some_seats.rows(ids=[], show=1)


# Several in one round trip


def test_statements_are_executed_in_their_order() -> None:
    movie = MovieFactory(title="Before")
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        before, _, after = execute(
            TITLE(id=movie.pk), RENAME(title="After", id=movie.pk), TITLE(id=movie.pk)
        )
        assert len(queries) == 3
    assert (before, after) == ([("Before",)], [("After",)])


def test_the_first_error_is_raised_and_names_its_statement() -> None:
    movie = MovieFactory(title="Before")
    lock = Statement("SELECT id FROM movies WHERE id = %(id)s FOR UPDATE")
    limit = Statement(SET_LIMIT)
    calls = [limit(), TITLE(id=movie.pk), lock(id=movie.pk), TITLE(id="no number")]
    with holding_a_lock(movie.pk), pytest.raises(OperationalError) as caught, transaction.atomic():
        execute(*calls)
    assert getattr(caught.value.__cause__, "sqlstate", None) == "55P03"
    assert failed_statement(caught.value) is lock
    assert COUNT.row() == (1,)


# A plan that has become invalid


@pytest.fixture
def wide_titles() -> Iterator[Callable[[], None]]:
    """Change a column's type as a rolling migration does, on another connection."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE wide (id int, title varchar(10))")
        cursor.execute("INSERT INTO wide VALUES (1, 'Heat')")

    def widen() -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE wide ADD COLUMN year int")

    yield lambda: elsewhere(widen)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE wide")


def test_a_changed_column_does_not_break_a_prepared_statement(
    wide_titles: Callable[[], None],
) -> None:
    every_column = Statement("SELECT * FROM wide")
    assert every_column.rows() == [(1, "Heat")]
    wide_titles()
    assert every_column.rows() == [(1, "Heat", None)]


def test_a_deallocated_statement_is_prepared_again() -> None:
    assert COUNT.row() == (0,)
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    assert COUNT.row() == (0,)


def test_a_transaction_with_a_stale_plan_is_run_again(wide_titles: Callable[[], None]) -> None:
    every_column = Statement("SELECT * FROM wide")
    every_column.rows()
    wide_titles()
    runs: list[int] = []

    def work() -> list[tuple[Any, ...]]:
        runs.append(1)
        return every_column.rows()

    assert in_transaction(work) == [(1, "Heat", None)]
    assert len(runs) == 2


# Writes in one round trip with COMMIT


def test_the_last_writes_are_sent_with_commit() -> None:
    movie = MovieFactory(title="Before")
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        execute_with_commit(RENAME(title="After", id=movie.pk))
        assert [query["sql"] for query in queries] == ["BEGIN"]
    assert [query["sql"].split()[0] for query in queries] == ["BEGIN", "UPDATE", "COMMIT"]
    assert TITLE.rows(id=movie.pk) == [("After",)]
    assert connection.get_autocommit()


def test_in_an_inner_block_the_writes_are_executed_at_once() -> None:
    movie = MovieFactory(title="Before")
    with transaction.atomic():
        with transaction.atomic():
            execute_with_commit(RENAME(title="After", id=movie.pk))
            assert TITLE.rows(id=movie.pk) == [("After",)]
        transaction.set_rollback(True)
    assert TITLE.rows(id=movie.pk) == [("Before",)]


@pytest.mark.parametrize(
    "go_on", [COUNT.rows, Movie.objects.count, lambda: execute_with_commit(COUNT())]
)
def test_no_statement_can_follow_the_last_writes(go_on: Callable[[], Any]) -> None:
    movie = MovieFactory(title="Before")

    @transaction.atomic
    def work() -> None:
        execute_with_commit(RENAME(title="After", id=movie.pk))
        go_on()

    with pytest.raises(TransactionManagementError):
        work()
    assert TITLE.rows(id=movie.pk) == [("Before",)]


def test_an_error_in_the_block_discards_the_writes() -> None:
    movie = MovieFactory(title="Before")

    @transaction.atomic
    def work() -> None:
        execute_with_commit(RENAME(title="After", id=movie.pk))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    with transaction.atomic():
        pass
    assert TITLE.rows(id=movie.pk) == [("Before",)]


def test_without_a_transaction_there_is_no_commit() -> None:
    with pytest.raises(TransactionManagementError):
        execute_with_commit(COUNT())


def test_a_write_that_fails_is_raised_where_the_block_ends() -> None:
    movie = MovieFactory(title="Before")
    hooks: list[int] = []

    @transaction.atomic
    def work() -> None:
        transaction.on_commit(lambda: hooks.append(1))
        execute_with_commit(RENAME(title="After", id=movie.pk), TITLE(id="no number"))

    with pytest.raises(DataError):
        work()
    assert TITLE.rows(id=movie.pk) == [("Before",)]
    assert hooks == []


@pytest.fixture
def at_commit() -> Iterator[Callable[[str], None]]:
    """Make PostgreSQL execute `action` when the change of a movie is committed."""

    def arrange(action: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"""
                CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN {action}; RETURN NULL; END $$;
                CREATE CONSTRAINT TRIGGER act AFTER UPDATE ON movies
                    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION act();
            """)

    yield arrange
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION act CASCADE")


def rename_with_commit(movie: Movie) -> None:
    with transaction.atomic():
        execute_with_commit(RENAME(title="After", id=movie.pk))


def rename_with_cursor(movie: Movie) -> None:
    with transaction.atomic():
        Movie.objects.filter(pk=movie.pk).update(title="After")


both_ways = pytest.mark.parametrize("rename", [rename_with_commit, rename_with_cursor])


@both_ways
def test_an_error_of_commit_is_a_rollback(
    rename: Callable[[Movie], None], at_commit: Callable[[str], None]
) -> None:
    movie = MovieFactory(title="Before")
    at_commit("RAISE check_violation")
    with pytest.raises(IntegrityError):
        rename(movie)
    assert TITLE.rows(id=movie.pk) == [("Before",)]


@both_ways
def test_a_connection_lost_at_commit_leaves_its_outcome_unknown(
    rename: Callable[[Movie], None], at_commit: Callable[[str], None]
) -> None:
    movie = MovieFactory(title="Before")
    at_commit("PERFORM pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(CommitUnknown):
        rename(movie)
    assert TITLE.rows(id=movie.pk) == [("Before",)]


@both_ways
def test_a_warning_at_commit_leaves_its_outcome_unknown(
    rename: Callable[[Movie], None], at_commit: Callable[[str], None]
) -> None:
    """PostgreSQL warns when it stops waiting for a standby: the commit can still be lost."""
    movie = MovieFactory(title="Before")
    at_commit("RAISE WARNING 'canceling wait for synchronous replication'")
    with pytest.raises(CommitUnknown):
        rename(movie)
    assert TITLE.rows(id=movie.pk) == [("After",)]


def test_a_commit_that_rolls_back_is_an_error() -> None:
    """PostgreSQL answers COMMIT with ROLLBACK after an error, even one that was ignored."""
    movie = MovieFactory(title="Before")

    @transaction.atomic
    def work() -> None:
        execute(RENAME(title="After", id=movie.pk))
        with suppress(DataError):
            TITLE.rows(id="no number")

    with pytest.raises(TransactionManagementError):
        work()
    assert TITLE.rows(id=movie.pk) == [("Before",)]


def test_a_connection_ended_before_commit_is_a_certain_rollback() -> None:
    """The error is the result of a write before COMMIT."""
    movie = MovieFactory(title="Before")
    end = Statement("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(OperationalError) as caught, transaction.atomic():
        execute_with_commit(RENAME(title="After", id=movie.pk), end())
    assert not isinstance(caught.value, CommitUnknown)
    assert TITLE.rows(id=movie.pk) == [("Before",)]


# Helpers


@contextmanager
def running(work: Callable[[], None]) -> Iterator[None]:
    def whole() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = Thread(target=whole)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def elsewhere(work: Callable[[], Any]) -> Any:
    """Do the work on another connection."""
    results: list[Any] = []
    with running(lambda: results.append(work())):
        pass
    return results[0]


def end_connection() -> None:
    pid = PID.row()
    assert pid is not None
    end = Statement("SELECT pg_terminate_backend(%(pid)s, 5000)")
    elsewhere(lambda: end_of(end, pid[0]))


def end_of(end: Statement, pid: int) -> None:
    assert end.rows(pid=pid) == [(True,)]


@contextmanager
def ending_soon(pid: int) -> Iterator[None]:
    """End the connection as soon as it is busy with a statement."""
    busy = Statement("SELECT FROM pg_stat_activity WHERE pid = %(pid)s AND wait_event = 'PgSleep'")
    end = Statement("SELECT pg_terminate_backend(%(pid)s, 5000)")

    def work() -> None:
        while not busy.rows(pid=pid):
            pass
        end_of(end, pid)

    with running(work):
        yield


def waiting_for_a_lock() -> bool:
    waiting = Statement("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    return bool(elsewhere(waiting.rows))


@contextmanager
def holding_a_lock(movie_id: int) -> Iterator[None]:
    held, over = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            RENAME.row(title="Held", id=movie_id)
            held.set()
            over.wait(15)
            transaction.set_rollback(True)

    with running(hold):
        held.wait(15)
        try:
            yield
        finally:
            over.set()
