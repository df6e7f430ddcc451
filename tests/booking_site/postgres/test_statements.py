"""Statements past cursors give what cursors give, and what is sent ahead is never used too late."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
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
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from booking_site.postgres import statements
from booking_site.postgres.statements import Call, Statement, ask, sent_ahead
from catalog.models import Movie
from tests.factories import MovieFactory

pytestmark = pytest.mark.django_db(transaction=True)

PID = Statement("SELECT pg_backend_pid()")
COUNT = Statement("SELECT count(*) FROM movies")
RENAME = Statement("UPDATE movies SET title = %(title)s WHERE id = %(id)s RETURNING title")
TITLE = Statement("SELECT title FROM movies WHERE id = %s")
SET_LIMIT = "SET LOCAL lock_timeout = '50ms'"


@pytest.fixture(params=[True, False], ids=["prepared", "unprepared"])
def anew(request: pytest.FixtureRequest, settings: Any) -> None:
    """A connection that knows no statement yet, behind a pooler or not."""
    settings.DATABASE_PREPARE = request.param
    connection.close()


@pytest.mark.usefixtures("anew")
def test_values_come_back_as_from_a_cursor(settings: Any) -> None:
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
    known = Statement("SELECT FROM pg_prepared_statements WHERE name = %s")
    assert bool(ask(Call(known, [statement.name.decode()]))) is settings.DATABASE_PREPARE


@pytest.mark.usefixtures("anew")
def test_errors_are_those_of_a_cursor_and_the_connection_goes_on() -> None:
    movie = MovieFactory()
    copy = Statement("INSERT INTO movies SELECT * FROM movies WHERE id = %s")
    for statement, values, kind in [
        (copy, [movie.pk], IntegrityError),
        (TITLE, ["no number"], DataError),
        (Statement("SELECT nonsense"), [], ProgrammingError),
    ]:
        for _ in range(2):
            with pytest.raises(kind) as caught:
                ask(Call(statement, values))
            assert isinstance(caught.value.__cause__, psycopg.Error)
            assert caught.value.__cause__.sqlstate
        assert COUNT.row() == (1,)


def test_it_begins_the_transaction_and_shares_its_fate() -> None:
    movie = MovieFactory(title="Before")
    with transaction.atomic():
        assert RENAME.rows(title="After", id=movie.pk) == [("After",)]
        assert elsewhere(lambda: ask(Call(TITLE, [movie.pk]))) == [("Before",)]
        transaction.set_rollback(True)
    assert ask(Call(TITLE, [movie.pk])) == [("Before",)]
    with transaction.atomic():
        RENAME.rows(title="After", id=movie.pk)
    assert ask(Call(TITLE, [movie.pk])) == [("After",)]


def test_nothing_is_sent_in_a_broken_transaction() -> None:
    with transaction.atomic():
        with pytest.raises(DataError), transaction.atomic():
            ask(Call(TITLE, ["no number"]))
        assert COUNT.row() == (0,)
        with pytest.raises(DataError), transaction.atomic(savepoint=False):
            ask(Call(TITLE, ["no number"]))
        with pytest.raises(TransactionManagementError):
            COUNT.row()


def test_a_rollback_forgets_no_statement() -> None:
    """psycopg's own prepared statements would take ours with them."""
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


def test_a_connection_lost_before_something_is_sent_ahead_is_one_too() -> None:
    end_connection()
    with pytest.raises(OperationalError), transaction.atomic(), sent_ahead(Call(COUNT, {})):
        pass
    assert COUNT.row() == (0,)


def test_a_connection_is_given_up_when_its_answer_was_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else it would answer the next question with it."""

    def stop(link: Any, events: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(statements._Link, "_await", stop)
    with pytest.raises(KeyboardInterrupt):
        COUNT.row()
    assert connection.connection.closed
    connection.close()


def test_a_connection_lost_while_it_waits_says_why() -> None:
    pid = PID.row()
    assert pid is not None
    sleep = Statement("SELECT pg_sleep(15)")
    with pytest.raises(OperationalError) as caught, ending_soon(pid[0]):
        sleep.row()
    assert getattr(caught.value.__cause__, "sqlstate", None) == "57P01"
    close_old_connections()
    assert COUNT.row() == (0,)


def test_others_work_while_one_waits() -> None:
    """Whatever waits for PostgreSQL must not keep the interpreter from other threads."""
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
    assert ask(Call(TITLE, [movie.pk])) == [("Second",)]


# Sent ahead


def test_what_was_sent_ahead_answers_when_it_is_asked() -> None:
    movie = MovieFactory(title="Before")
    calls = [Call(RENAME, {"title": "After", "id": movie.pk}), Call(TITLE, [movie.pk])]
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        with sent_ahead(*calls):
            assert len(queries) == 2
            assert RENAME.rows(title="After", id=movie.pk) == [("After",)]
            assert ask(Call(TITLE, [movie.pk])) == [("After",)]
        assert len(queries) == 2
        assert ask(Call(TITLE, [movie.pk])) == [("After",)]
        assert len(queries) == 3


def test_when_something_else_is_asked_the_rest_is_read_anew() -> None:
    one, other = MovieFactory(title="One"), MovieFactory(title="Other")
    with transaction.atomic(), sent_ahead(Call(TITLE, [one.pk]), Call(TITLE, [other.pk])):
        assert RENAME.row(title="New", id=other.pk) == ("New",)
        assert ask(Call(TITLE, [one.pk])) == [("One",)]
        assert ask(Call(TITLE, [other.pk])) == [("New",)]
    with transaction.atomic(), sent_ahead(Call(TITLE, [one.pk]), Call(TITLE, [other.pk])):
        assert ask(Call(TITLE, [other.pk])) == [("New",)]  # out of its turn
        elsewhere(lambda: RENAME.row(title="Newer", id=other.pk))
        assert ask(Call(TITLE, [other.pk])) == [("Newer",)]


def test_nothing_that_was_sent_ahead_outlives_its_block() -> None:
    movie = MovieFactory(title="Before")
    with (
        pytest.raises(ZeroDivisionError),
        transaction.atomic(),
        sent_ahead(Call(TITLE, [movie.pk])),
    ):
        raise ZeroDivisionError
    elsewhere(lambda: RENAME.row(title="After", id=movie.pk))
    assert ask(Call(TITLE, [movie.pk])) == [("After",)]


def test_an_error_is_raised_where_its_call_is_asked() -> None:
    movie = MovieFactory(title="Before")
    lock = Statement("SELECT id FROM movies WHERE id = %s FOR UPDATE")
    calls = [Call(TITLE, [movie.pk]), Call(lock, [movie.pk]), Call(COUNT, {})]
    with holding_a_lock(movie.pk), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(SET_LIMIT)
        with sent_ahead(*calls):
            assert ask(Call(TITLE, [movie.pk])) == [("Before",)]
            for call in calls[1:]:
                with pytest.raises(OperationalError) as caught:
                    ask(call)
                assert getattr(caught.value.__cause__, "sqlstate", None) == "55P03"
        transaction.set_rollback(True)
    assert COUNT.row() == (1,)


def test_a_cursor_in_between_makes_the_rest_be_read_anew() -> None:
    movie = MovieFactory(title="Before")
    with transaction.atomic(), sent_ahead(Call(TITLE, [movie.pk])):
        Movie.objects.filter(pk=movie.pk).update(title="After")
        assert ask(Call(TITLE, [movie.pk])) == [("After",)]


@pytest.mark.parametrize(
    "go_on",
    [lambda: None, lambda: COUNT.row(), lambda: Movie.objects.count()],
    ids=["nothing", "a statement", "a cursor"],
)
def test_an_error_that_nobody_asked_for_is_raised_all_the_same(go_on: Callable[[], Any]) -> None:
    """Else COMMIT would roll back and say nothing, or the next be told of a broken transaction."""
    movie = MovieFactory(title="Before")
    rename = Call(RENAME, {"title": "After", "id": movie.pk})

    @transaction.atomic
    def work() -> None:
        with sent_ahead(rename, Call(TITLE, ["no number"])):
            ask(rename)
            go_on()

    with pytest.raises(DataError):
        work()
    assert ask(Call(TITLE, [movie.pk])) == [("Before",)]


def test_ahead_of_no_transaction_nothing_is_sent() -> None:
    with pytest.raises(TransactionManagementError), sent_ahead(Call(COUNT, {})):
        pass


# Help


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
    """Do the work on a connection of its own."""
    results: list[Any] = []
    with running(lambda: results.append(work())):
        pass
    return results[0]


def end_connection() -> None:
    pid = PID.row()
    assert pid is not None
    end = Statement("SELECT pg_terminate_backend(%s, 5000)")
    elsewhere(lambda: end_of(end, pid[0]))


def end_of(end: Statement, pid: int) -> None:
    assert ask(Call(end, [pid])) == [(True,)]


@contextmanager
def ending_soon(pid: int) -> Iterator[None]:
    """End the connection as soon as it is busy with a statement."""
    busy = Statement("SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'")
    end = Statement("SELECT pg_terminate_backend(%s, 5000)")

    def work() -> None:
        while not ask(Call(busy, [pid])):
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
