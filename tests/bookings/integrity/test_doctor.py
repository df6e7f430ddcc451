"""The doctor finds nothing in a sound database, and names each broken invariant."""

import os
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator
from datetime import timedelta
from io import StringIO
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.models import User
from bookings.integrity import time_zones
from bookings.integrity.invariants import (
    CHECKED_IN_PYTHON,
    CONSTRAINTS_IN_PLACE,
    POSTGRES_ZONES_AGREE,
    TEXTS_VISIBLE,
    Finding,
    Invariant,
    Severity,
    examine,
    invariants,
)
from bookings.mails import order_made
from bookings.models import Booking, Hold, IdempotencyRecord, Order
from catalog.models import Seat, Show, Theatre
from tests.bookings.calls import elsewhere
from tests.factories import ScreenFactory, ShowFactory, UserFactory, make_seats

pytestmark = pytest.mark.django_db

# Drops the constraints that would refuse the statements below.
UNGUARDED = """
    DROP INDEX booking_one_live_per_seat;
    DROP INDEX hold_one_live_per_user_and_show;
    ALTER TABLE bookings DROP CONSTRAINT booking_seat_in_show;
    ALTER TABLE bookings DROP CONSTRAINT booking_order_in_show;
    ALTER TABLE holds DROP CONSTRAINT hold_ends_within_its_limit;
    ALTER TABLE shows DROP CONSTRAINT show_screen_not_taken;
    ALTER TABLE shows DROP CONSTRAINT show_on_screen_occupies_it;
    ALTER TABLE shows DROP CONSTRAINT show_sales_open_before_end;
"""


@pytest.fixture
def show() -> Show:
    """A show on a screen, seats A1 to A4, with one order, one hold and one idempotency record.

    A1 and A2 are booked, A3 is held, A4 is free.
    """
    screen = ScreenFactory()
    start = timezone.now() + timedelta(days=1)
    show: Show = ShowFactory(
        theatre=screen.theatre,
        screen=screen,
        start_time=start,
        end_time=start + timedelta(minutes=90),
        occupied_until=start + timedelta(minutes=110),
    )
    user = UserFactory()
    seats = make_seats(show, "SSSS")
    order = Order.objects.create(
        reference="K7Q4-9XWD", user=user, show=show, total="24.00", currency="USD"
    )
    for seat in seats[:2]:
        Booking.objects.create(user=user, show=show, seat=seat, order=order, price=seat.price)
    for _ in range(3):
        order_made.enqueue(order_id=order.pk)
    end = timezone.now() + timedelta(minutes=10)
    hold = Hold.objects.create(
        user=user, show=show, seat_ids=[seats[2].pk], expires_at=end, max_expires_at=end
    )
    Seat.objects.filter(pk__in=[seat.pk for seat in seats[:2]]).update(status="booked")
    Seat.objects.filter(pk=seats[2].pk).update(status="held", hold_id=hold.pk, held_until=end)
    IdempotencyRecord.objects.create(
        user=user,
        operation="book",
        key=str(uuid4()),
        fingerprint="f",
        status=201,
        body='{"booking":{"order_reference":"K7Q4-9XWD"}}',
    )
    return show


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        # Rows of this transaction wait for their checks, and block DROP CONSTRAINT.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(sql)


def findings() -> dict[str, list[str]]:
    return {each.invariant.name: each.examples for each in examine() if each.count}


def test_a_sound_database_has_no_finding(show: Show) -> None:
    assert findings() == {}


BREAKS = {
    "currencies_current": "UPDATE theatres SET currency = 'BGN'",
    "amounts_expressible": "UPDATE seats SET price = 4.255 WHERE number = 4",
    "seat_sold_once": "INSERT INTO bookings (user_id, show_id, seat_id)"
    " SELECT user_id, show_id, min(seat_id) FROM bookings GROUP BY 1, 2",
    "booked_seat_has_booking": "UPDATE seats SET status = 'booked' WHERE number = 4",
    "booking_in_its_show": "INSERT INTO shows (movie_id, theatre_id, start_time)"
    " SELECT movie_id, theatre_id, start_time FROM shows;"
    " UPDATE bookings SET show_id = (SELECT max(id) FROM shows)",
    "booking_in_own_order": "UPDATE orders SET user_id = NULL, channel = 'box_office'",
    "cancelled_after_booked": "UPDATE bookings SET cancelled_at = booked_at - interval '1 s'",
    "order_has_bookings": "DELETE FROM bookings",
    "order_status_agrees": "UPDATE orders SET status = 'partially_cancelled'",
    "no_confirmation_given_up": "UPDATE orders SET confirmation_attempts = 60,"
    " confirmation_due_at = now()",
    "order_total_adds_up": "UPDATE orders SET total = 23.99",
    "held_seat_in_hold": "UPDATE holds SET ended_at = now(), end_reason = 'released'",
    "held_until_agrees": "UPDATE seats SET held_until = held_until + interval '1 s'"
    " WHERE status = 'held'",
    "hold_has_its_seats": "UPDATE seats SET status = 'available', hold_id = NULL,"
    " held_until = NULL WHERE status = 'held'",
    "one_live_hold": "INSERT INTO holds (id, user_id, show_id, seat_ids, expires_at,"
    " max_expires_at) SELECT gen_random_uuid(), user_id, show_id, '{}', expires_at,"
    " max_expires_at FROM holds",
    "response_names_own_order": "UPDATE idempotency_records SET body = 'nonsense'",
    "sales_open_before_end": "UPDATE shows SET sales_open_at = start_time",
    "shows_do_not_overlap": "INSERT INTO shows (movie_id, theatre_id, screen_id, start_time,"
    " occupied_until) SELECT movie_id, theatre_id, screen_id,"
    " start_time + interval '1 hour', occupied_until FROM shows",
    "upcoming_show_has_planned_offset": "UPDATE shows SET planned_utc_offset = NULL",
    "sold_in_theatre_currency": "UPDATE theatres SET currency = 'JPY'",
    "theatre_zone_known": "UPDATE theatres SET timezone = 'localtime'",
    "counted_shows_agree": """
        INSERT INTO counted_shows (show_id, seats_for_sale, counted_at)
        SELECT id, 77, now() FROM shows
    """,
    "screen_occupied_until_end": "UPDATE shows SET occupied_until = end_time - interval '1 s'",
    "one_seat_per_place": "UPDATE seats SET x = 0",
    "archived_room_complete": """
        INSERT INTO archived_rooms (show_id, layout, has_positions, seat_ids, prices, block_reasons)
        SELECT id, 'A SS', true, '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}' FROM shows
    """,
    "removed_users_hold_nothing": "UPDATE users SET email = 'deleted-1@invalid'",
    "expired_holds": "UPDATE holds SET expires_at = now() - interval '1 s'",
    "sort_keys_stored": "UPDATE movies SET title = 'Another'",
    "texts_composed": "UPDATE movies SET title = 'Cafe' || chr(769)",
    "titles_distinct": "INSERT INTO movies (title)"
    " VALUES ('Caf' || chr(233)), ('Cafe' || chr(769))",
    "emails_canonical": "UPDATE users SET email = 'u@bücher.example'",
    "customer_emails_canonical": "UPDATE orders SET channel = 'box_office',"
    " customer_email = 'u@bücher.example'",
    "old_idempotency_records": "UPDATE idempotency_records"
    " SET created_at = now() - interval '8 days'",
    "cancelled_shows_with_bookings": "UPDATE shows SET status = 'cancelled'",
    "no_spreadsheet_errors": "UPDATE movies SET title = '#N/A'",
    "hold_within_seat_limit": "UPDATE holds SET seat_ids = array_fill(seat_ids[1], ARRAY[11])",
    "hold_lists_seats_once": "UPDATE holds SET seat_ids = seat_ids || seat_ids",
    "references_exist": "SET LOCAL session_replication_role = replica; DELETE FROM users",
    "no_task_given_up": "UPDATE django_tasks_database_dbtaskresult SET status = 'FAILED'",
}


def test_every_invariant_has_a_statement_that_breaks_it() -> None:
    assert {each.name for each in invariants()} == set(BREAKS)


@pytest.mark.parametrize("invariant", invariants(), ids=lambda each: each.name)
def test_each_broken_invariant_is_named(show: Show, invariant: Invariant) -> None:
    run(UNGUARDED)
    run(BREAKS[invariant.name])
    assert invariant.name in findings()


@pytest.mark.parametrize(
    ("table", "column", "text", "name"),
    [
        ("users", "name", "\u3164", "user {}: name"),
        ("users", "name", "See https://prize.example", "user {}: name"),
        ("movies", "description", "See https://prize.example", None),
        ("movies", "title", "Top \u202enuG", "movie {}: title"),
        ("movies", "title", "", None),
        ("movies", "description", "Tag\U000e0041", "movie {}: description"),
        ("movies", "description", "Zoé\r\n\tand Ada", None),
        ("theatres", "location", "Main\nStreet", "theatre {}: location"),
        ("shows", "format", "3\u200bD", "show {}: format"),
    ],
)
def test_a_stored_text_that_forms_would_refuse_is_a_note(
    show: Show, table: str, column: str, text: str, name: str | None
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s RETURNING id", [text])
        (key,) = cursor.fetchone()
    found = [each for each in examine() if each.invariant is TEXTS_VISIBLE]
    assert [each.examples for each in found] == [[name.format(key)] if name else []]
    assert found[0].severity is (Severity.NOTE if name else None)


def test_time_zone_data_of_postgres_that_differ_are_a_note(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_zones, "zone_named", lambda name: ZoneInfo("Asia/Tokyo"))
    [found] = [each for each in examine() if each.count]
    assert (found.invariant, found.examples) == (POSTGRES_ZONES_AGREE, [show.theatre.timezone])
    assert found.severity is Severity.NOTE


def test_a_zone_that_postgres_lacks_is_a_note(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_zones, "zone_names", lambda: {"Mars/Olympus"})
    monkeypatch.setattr(time_zones, "zone_named", lambda name: ZoneInfo("UTC"))
    Theatre.objects.update(timezone="Mars/Olympus")
    assert findings()["postgres_zones_agree"] == ["Mars/Olympus"]


ONE_LIVE = "booking_one_live_per_seat"
OF_BOOKINGS = f"bookings.{ONE_LIVE}"
ORDER_USER = "orders_user_id_7e2523fb_fk_users_id"
BOOKING_USER = "bookings_user_id_6e734b08_fk_users_id"


@pytest.mark.parametrize(
    ("sql", "offender"),
    [
        pytest.param(f"DROP INDEX {ONE_LIVE}", OF_BOOKINGS, id="unique index missing"),
        pytest.param("DROP INDEX booking_by_user", "bookings.booking_by_user", id="index missing"),
        pytest.param(
            "ALTER TABLE bookings DROP CONSTRAINT booking_seat_in_show",
            "bookings.booking_seat_in_show",
            id="foreign key missing",
        ),
        pytest.param(
            "ALTER TABLE shows DROP CONSTRAINT show_screen_not_taken",
            "shows.show_screen_not_taken",
            id="exclusion missing",
        ),
        pytest.param(
            f"DROP INDEX {ONE_LIVE};"
            f" CREATE INDEX {ONE_LIVE} ON bookings (seat_id) WHERE cancelled_at IS NULL",
            OF_BOOKINGS,
            id="not unique",
        ),
        pytest.param(
            f"DROP INDEX {ONE_LIVE}; CREATE UNIQUE INDEX {ONE_LIVE} ON bookings (seat_id)",
            OF_BOOKINGS,
            id="for all rows",
        ),
        pytest.param(
            f"DROP INDEX {ONE_LIVE};"
            f" CREATE UNIQUE INDEX {ONE_LIVE} ON bookings (id) WHERE cancelled_at IS NULL",
            OF_BOOKINGS,
            id="of another column",
        ),
        pytest.param(
            "DROP INDEX order_by_user; CREATE INDEX order_by_user ON holds (user_id, created_at)",
            "orders.order_by_user",
            id="on another table",
        ),
        pytest.param(
            f"UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = '{ONE_LIVE}'::regclass",
            OF_BOOKINGS,
            id="invalid, as a failed CREATE INDEX CONCURRENTLY leaves it",
        ),
        pytest.param(
            f"UPDATE pg_index SET indisready = FALSE WHERE indexrelid = '{ONE_LIVE}'::regclass",
            OF_BOOKINGS,
            id="not maintained by writes",
        ),
        pytest.param(
            "ALTER TABLE bookings DROP CONSTRAINT booking_price_not_negative;"
            " ALTER TABLE bookings ADD CONSTRAINT booking_price_not_negative"
            " CHECK (price >= 0) NOT VALID",
            "bookings.booking_price_not_negative",
            id="not validated",
        ),
        pytest.param(
            "ALTER TABLE bookings DROP CONSTRAINT booking_seat_in_show;"
            " ALTER TABLE bookings ADD CONSTRAINT booking_seat_in_show CHECK (seat_id > 0)",
            "bookings.booking_seat_in_show",
            id="check in place of a foreign key",
        ),
        pytest.param(
            "ALTER TABLE bookings DROP CONSTRAINT booking_seat_in_show;"
            " ALTER TABLE bookings ADD CONSTRAINT booking_seat_in_show"
            " FOREIGN KEY (show_id) REFERENCES shows (id)",
            "bookings.booking_seat_in_show",
            id="foreign key of other columns",
        ),
        pytest.param(
            f"DROP INDEX {ONE_LIVE}; CREATE UNIQUE INDEX {ONE_LIVE} ON bookings (seat_id)"
            " WHERE cancelled_at IS NULL AND booked_at < '2000-01-01'",
            OF_BOOKINGS,
            id="for other rows",
        ),
        pytest.param(
            "DROP INDEX hold_one_live_per_user_and_show;"
            " CREATE UNIQUE INDEX hold_one_live_per_user_and_show ON holds (user_id, show_id)"
            " WHERE ended_at IS NULL AND created_at < '2000-01-01'",
            "holds.hold_one_live_per_user_and_show",
            id="for other holds",
        ),
        pytest.param(
            "ALTER TABLE holds DROP CONSTRAINT hold_ends_within_its_limit;"
            " ALTER TABLE holds ADD CONSTRAINT hold_ends_within_its_limit CHECK (TRUE)",
            "holds.hold_ends_within_its_limit",
            id="check of nothing",
        ),
        pytest.param(
            "ALTER TABLE seats DROP CONSTRAINT seat_held_has_hold_and_end;"
            " ALTER TABLE seats ADD CONSTRAINT seat_held_has_hold_and_end CHECK (id > 0)",
            "seats.seat_held_has_hold_and_end",
            id="check of something else",
        ),
        pytest.param(
            "ALTER TABLE orders DROP CONSTRAINT order_channel_known;"
            " ALTER TABLE orders ADD CONSTRAINT order_channel_known"
            " CHECK (channel IN ('web', 'box_office', 'nowhere'))",
            "orders.order_channel_known",
            id="check of more values",
        ),
        pytest.param(
            "ALTER TABLE shows DROP CONSTRAINT show_screen_not_taken;"
            " ALTER TABLE shows ADD CONSTRAINT show_screen_not_taken"
            " EXCLUDE USING gist (int8range(id, id, '[]') WITH &&)",
            "shows.show_screen_not_taken",
            id="exclusion of something else",
        ),
        pytest.param(
            "ALTER TABLE idempotency_records DROP CONSTRAINT idempotency_one_per_key;"
            " ALTER TABLE idempotency_records ADD CONSTRAINT idempotency_one_per_key"
            " UNIQUE (user_id, operation, key, fingerprint)",
            "idempotency_records.idempotency_one_per_key",
            id="unique with one column more",
        ),
        pytest.param(
            f"ALTER TABLE orders DROP CONSTRAINT {ORDER_USER}",
            f"orders.{ORDER_USER}",
            id="foreign key of an order's user missing",
        ),
        pytest.param(
            f"ALTER TABLE bookings DROP CONSTRAINT {BOOKING_USER}",
            f"bookings.{BOOKING_USER}",
            id="foreign key of a booking's user missing",
        ),
        pytest.param(
            f"ALTER TABLE bookings DROP CONSTRAINT {BOOKING_USER};"
            f" ALTER TABLE bookings ADD CONSTRAINT {BOOKING_USER} FOREIGN KEY (user_id)"
            " REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED NOT VALID",
            f"bookings.{BOOKING_USER}",
            id="foreign key not validated",
        ),
        pytest.param(
            "ALTER TABLE bookings ALTER seat_id DROP NOT NULL", "bookings.seat_id", id="nullable"
        ),
        pytest.param(
            "DROP TRIGGER uncount_after_update ON seats",
            "seats.uncount_after_update",
            id="trigger missing",
        ),
        pytest.param(
            "ALTER TABLE orders DISABLE TRIGGER USER",
            "orders.uncount_after_update",
            id="trigger disabled",
        ),
        pytest.param(
            "ALTER TABLE movies ENABLE REPLICA TRIGGER movies_renew_list_version",
            "movies.movies_renew_list_version",
            id="trigger asleep",
        ),
        pytest.param(
            "CREATE OR REPLACE FUNCTION uncount_show() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN RETURN NULL; END'",
            "uncount_show()",
            id="trigger that does nothing",
        ),
    ],
)
def test_a_missing_or_wrong_guard_is_named(show: Show, sql: str, offender: str) -> None:
    run(sql)
    assert findings() == {CONSTRAINTS_IN_PLACE.name: [offender]}


def test_disabled_triggers_are_named(show: Show) -> None:
    run("ALTER TABLE bookings DISABLE TRIGGER USER")
    assert findings() == {
        CONSTRAINTS_IN_PLACE.name: [
            f"bookings.uncount_after_{event}" for event in ("delete", "insert", "update")
        ]
    }


@pytest.mark.parametrize(
    ("lost", "count", "kinds"),
    [
        ("user", 5, {"booking", "hold", "idempotency", "order"}),
        ("show", 8, {"booking", "hold", "order", "seat"}),
        ("movie", 1, {"show"}),
    ],
)
def test_rows_that_refer_to_nothing_are_named(
    show: Show, lost: str, count: int, kinds: set[str]
) -> None:
    """Neither a replica nor an import with disabled triggers checks foreign keys."""
    run(f"SET LOCAL session_replication_role = replica; DELETE FROM {lost}s")
    (finding,) = [each for each in examine() if each.invariant.name == "references_exist"]
    assert finding.count == count
    assert {example.split()[0] for example in finding.examples} == kinds
    assert all(f": no {lost} " in example for example in finding.examples)


@pytest.mark.parametrize("state", ["DISABLE", "ENABLE REPLICA"])
def test_a_foreign_key_with_disabled_triggers_is_named(show: Show, state: str) -> None:
    """Imports often use DISABLE TRIGGER ALL; triggers of a replica do not run here either."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger JOIN pg_constraint ON pg_constraint.oid = tgconstraint"
            " WHERE conname = 'booking_order_in_show' AND tgrelid = 'bookings'::regclass"
        )
        triggers = [name for (name,) in cursor]
    for trigger in triggers:
        run(f'ALTER TABLE bookings {state} TRIGGER "{trigger}"')
    assert findings() == {CONSTRAINTS_IN_PLACE.name: ["bookings.booking_order_in_show"]}


def test_an_expired_hold_may_have_lost_its_seats(show: Show) -> None:
    run("UPDATE holds SET expires_at = now() - interval '1 s'")
    run(BREAKS["hold_has_its_seats"])
    assert set(findings()) == {"expired_holds"}


def test_examples_are_few_and_the_count_is_complete(show: Show) -> None:
    make_seats(show, "", *["SSSSSSSSSS"])
    run("UPDATE seats SET status = 'booked' WHERE row = 'B'")
    (finding,) = [each for each in examine() if each.count]
    assert (finding.count, len(finding.examples)) == (10, 5)


@pytest.mark.django_db(transaction=True)
def test_a_sound_database_ends_with_exit_code_0(show: Show) -> None:
    output = StringIO()
    call_command("doctor", stdout=output)
    lines = output.getvalue().splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["ok"] * (
        len(invariants()) + len(CHECKED_IN_PYTHON)
    )
    assert lines[-1].startswith(f"{len(lines) - 1} invariants, 0 broken")


@pytest.mark.django_db(transaction=True)
def test_a_broken_invariant_ends_with_exit_code_1_and_examples(show: Show) -> None:
    run(BREAKS["order_total_adds_up"])
    output = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("doctor", stdout=output)
    assert end.value.code == 1
    (line,) = [each for each in output.getvalue().splitlines() if each.startswith("BROKEN")]
    assert line.startswith("BROKEN order_total_adds_up")
    assert "1: order K7Q4-9XWD" in line


@pytest.mark.django_db(transaction=True)
def test_only_the_named_invariants_are_checked(show: Show) -> None:
    run(BREAKS["order_total_adds_up"])
    output = StringIO()
    call_command("doctor", "postgres_zones_agree", "amounts_expressible", stdout=output)
    lines = output.getvalue().splitlines()
    assert [line.split()[1] for line in lines[:-1]] == [
        "postgres_zones_agree",
        "amounts_expressible",
    ]
    with pytest.raises(CommandError, match="seats_in_order"):
        call_command("doctor", "amounts_expressible", "seats_in_order")


@pytest.mark.django_db(transaction=True)
def test_rows_that_await_cleanup_are_not_violations(show: Show) -> None:
    run(BREAKS["old_idempotency_records"])
    output = StringIO()
    call_command("doctor", stdout=output)
    assert "note   old_idempotency_records" in output.getvalue()


@pytest.mark.django_db(transaction=True)
def test_the_doctor_cannot_write(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(names: Collection[str]) -> object:
        return iter([User.objects.update(name="x")])

    monkeypatch.setattr("bookings.management.commands.doctor.examine", write)
    with pytest.raises(Exception, match="read-only transaction"):
        call_command("doctor", stdout=StringIO())


@pytest.mark.django_db(transaction=True)
def test_the_doctor_reads_one_snapshot(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not see writes that are committed while it runs."""

    def write_meanwhile(names: Collection[str]) -> Iterator[Finding]:
        all_of_it = examine(names)
        yield next(all_of_it)
        elsewhere(lambda: run(BREAKS["order_total_adds_up"]))
        yield from all_of_it

    monkeypatch.setattr("bookings.management.commands.doctor.examine", write_meanwhile)
    call_command("doctor", stdout=StringIO())
    assert set(findings()) == {"order_total_adds_up"}


@pytest.mark.django_db(transaction=True)
def test_tasks_given_up_are_listed_by_name_and_apart_from_violations(show: Show) -> None:
    run(BREAKS["no_task_given_up"])
    output = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("doctor", stdout=output)
    assert end.value.code == 3
    (failed,) = (line for line in output.getvalue().splitlines() if line.startswith("FAILED"))
    assert failed.split()[1:6] == ["no_task_given_up", "1:", "bookings.mails.order_made", "x", "3"]
    assert " 0 broken" in output.getvalue()
    run(BREAKS["order_total_adds_up"])
    with pytest.raises(SystemExit) as end:
        call_command("doctor", stdout=StringIO())
    assert end.value.code == 1


def doctor_on(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        env={**os.environ, "DEVELOPMENT": "1", "DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_missing_database_is_reported_in_one_line() -> None:
    run = doctor_on("postgres://nobody@127.0.0.1:1/nothing")
    assert (run.returncode, run.stdout) == (2, "")
    (line,) = run.stderr.splitlines()
    assert line.startswith("CommandError: The database does not respond: ")
    assert "DATABASE_URL" in line


def test_a_database_that_hangs_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # connections are never answered
        run = doctor_on(f"postgres://nobody@127.0.0.1:{server.getsockname()[1]}/nothing")
    assert run.returncode == 2
    assert "does not respond" in run.stderr


def test_in_a_database_without_tables_the_doctor_names_the_remedy() -> None:
    run = doctor_on(os.environ["DATABASE_URL"])  # the tests' tables are in one beside it
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert "manage.py migrate" in line
