"""`import_original` imports a venue from a database of the original system."""

import csv
import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, connections
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tokens import issue_tokens
from bookings.models import Booking, Order
from bookings.services.archiving import archive_rooms
from catalog.models import Movie, Seat, Show, Theatre
from legacy_import import run
from legacy_import.models import ImportedRow
from legacy_import.source import Source
from tests.bookings.calls import book_seats, bought, held, let_expire, refusal, states
from tests.factories import MovieFactory, SeatFactory, UserFactory
from tests.web import database_url

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "salt and sea"
# Its hash, in the format of bcryptjs.
HASH = "$2a$04$/XJAM5z4f9FRrL4sGgKDR.zVv0moX94Xb9oLWdbJEA7mxJv6Nnwlu"
TABLES = ("users", "movies", "theatres", "shows", "seats", "bookings")

# The schema that the original's migrations create.
ORIGINAL = """
CREATE TABLE users (id serial PRIMARY KEY, name varchar(255), email varchar(255) UNIQUE,
    password_hash varchar(255), created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now());
CREATE TABLE movies (id serial PRIMARY KEY, title varchar(255), description text,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now());
CREATE TABLE theatres (id serial PRIMARY KEY, name varchar(255), location varchar(255),
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now());
CREATE TABLE shows (id serial PRIMARY KEY, movie_id int, theatre_id int, start_time timestamptz,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now());
CREATE TABLE seats (id serial PRIMARY KEY, show_id int, "row" varchar(10), number int,
    price numeric, status varchar(20) DEFAULT 'available', UNIQUE (show_id, "row", number));
CREATE TABLE bookings (id serial PRIMARY KEY, user_id int, show_id int, seat_id int,
    booked_at timestamp DEFAULT now());
"""
ROWS = f"""
INSERT INTO users (id, name, email, password_hash, created_at) VALUES
    (7, 'Lena Lion', 'Lena@Example.com', '{HASH}', '2024-05-01 10:00Z'),
    (8, 'Leo Lion', 'leo@example.com', '{HASH}', '2024-05-02 10:00Z');
INSERT INTO movies (id, title, description) VALUES (3, 'Salt', 'Much of it.'), (4, 'Sea', NULL);
INSERT INTO theatres (id, name, location) VALUES (2, 'Rex', '1 Main Street');
INSERT INTO shows (id, movie_id, theatre_id, start_time) VALUES
    (11, 3, 2, now() + interval '2 days'), (12, 4, 2, '2024-06-01 18:00Z');
INSERT INTO seats (id, show_id, "row", number, price, status) VALUES
    (101, 11, 'A', 1, 12.5, 'booked'), (102, 11, 'A', 2, 12.5, 'available'),
    (103, 11, 'A', 3, 12.5, 'available'), (104, 12, 'A', 1, 9, 'booked'),
    (105, 11, 'B', 1, 12.5, 'available'), (106, 11, 'B', 2, 12.5, 'available');
INSERT INTO bookings (id, user_id, show_id, seat_id, booked_at) VALUES
    (51, 7, 11, 101, '2024-05-20 12:30'), (52, 8, 12, 104, '2024-05-21 09:00');
"""


class Original:
    """The database of the original system, with full access."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, *statements: str) -> None:
        with psycopg.connect(self.url) as link:
            for statement in statements:
                link.execute(statement)

    def content(self) -> list[list[Any]]:
        with psycopg.connect(self.url) as link:
            return [link.execute(f"TABLE {table}").fetchall() for table in TABLES]


@pytest.fixture
def original() -> Iterator[Original]:
    name = f"{connection.settings_dict['NAME']}_original"
    server = os.environ["DATABASE_URL"]
    with psycopg.connect(server, autocommit=True) as link:
        link.execute(f"DROP DATABASE IF EXISTS {name}")
        link.execute(f"CREATE DATABASE {name}")
        database = Original(urlunsplit(urlsplit(server)._replace(path=f"/{name}")))
        database.run(ORIGINAL, ROWS)
        yield database
        link.execute(f"DROP DATABASE {name} WITH (FORCE)")


def import_original(original: Original, **options: Any) -> str:
    """Run the command and return what it reports, with single spaces."""
    output = io.StringIO()
    call_command("import_original", original.url, stdout=output, **options)
    return "\n".join(" ".join(line.split()) for line in output.getvalue().splitlines())


def content() -> list[list[tuple[Any, ...]]]:
    """Return all rows, without values that differ in every run."""
    return [
        list(User.objects.order_by("pk").values_list("pk", "name", "email", "password")),
        list(Movie.objects.order_by("pk").values_list("pk", "title", "description", "created_at")),
        list(Theatre.objects.order_by("pk").values_list("pk", "name", "location", "timezone")),
        list(Show.objects.order_by("pk").values_list("pk", "movie", "theatre", "start_time")),
        list(Seat.objects.order_by("pk").values_list("pk", "show", "row", "number", "status")),
        list(Booking.objects.order_by("pk").values_list("pk", "user", "show", "seat", "price")),
        list(ImportedRow.objects.order_by("kind", "own_id").values_list("kind", "original_id")),
    ]


def sequences() -> list[int]:
    with connection.cursor() as cursor:
        values = []
        for table in TABLES:
            cursor.execute(
                f"SELECT last_value FROM pg_sequences WHERE sequencename = '{table}_id_seq'"
            )
            values.append(cursor.fetchone()[0])
    return values


def client_of(user_id: int) -> APIClient:
    token = issue_tokens(User.objects.get(pk=user_id)).access
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {token}")


def test_users_log_in_with_their_old_passwords(original: Original, api: APIClient) -> None:
    import_original(original)
    body = {"email": "lena@example.com", "password": PASSWORD}
    answer = api.post("/api/auth/login", body, format="json")
    assert answer.status_code == 200
    assert (answer.json()["id"], answer.json()["name"]) == (7, "Lena Lion")
    lena = User.objects.get(pk=7)
    assert lena.password.startswith("argon2$")
    assert lena.created_at == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert lena.email_confirmed_at is None
    body["password"] = "wrong"
    assert api.post("/api/auth/login", body, format="json").status_code == 401


def test_bookings_keep_their_seats_and_customers_find_them(original: Original) -> None:
    report = import_original(original, timezone="Europe/Vienna", currency="EUR")
    assert "users 2 0 2 0 0" in report
    assert "bookings 2 0 2 0 0" in report
    lena = client_of(7)
    (booking,) = lena.get("/api/bookings").json()
    assert (booking["id"], booking["show_id"], booking["seat_id"]) == (51, 11, 101)
    assert (booking["price"], booking["currency"], booking["status"]) == (
        "12.50",
        "EUR",
        "confirmed",
    )
    assert booking["booked_at"] == "2024-05-20T12:30:00Z"
    assert (booking["movie_title"], booking["timezone"]) == ("Salt", "Europe/Vienna")
    assert set(Order.objects.values_list("status", "confirmation_due_at")) == {("confirmed", None)}
    (order,) = lena.get("/api/orders").json()
    assert (order["total"], order["created_at"]) == ("12.50", "2024-05-20T12:30:00Z")
    seat = Seat.objects.get(pk=101)
    assert refusal(book_seats(client_of(8), seat)) == (409, "seat_unavailable")
    assert lena.post("/api/bookings/51/cancel").status_code == 200
    bought(client_of(8), seat)


def test_the_import_breaks_no_invariant(original: Original) -> None:
    import_original(original)
    output = io.StringIO()
    call_command("doctor", stdout=output)
    assert " 0 broken" in output.getvalue()


@pytest.mark.django_db(transaction=True, reset_sequences=True)
def test_new_rows_get_ids_after_the_imported_ones(original: Original) -> None:
    import_original(original)
    assert UserFactory().pk > 8
    assert MovieFactory().pk > 4
    assert bought(client_of(7), Seat.objects.get(pk=102))["booking"]["id"] > 52


def test_rows_whose_ids_are_in_use_here_get_new_ones(original: Original) -> None:
    here = User.objects.create(id=7, name="Here", email="here@example.com")
    MovieFactory(id=3)
    report = import_original(original)
    assert "users 2 0 2 1 0" in report
    lena = User.objects.get(email="lena@example.com")
    assert lena.pk not in (7, 8)
    assert Booking.objects.get(pk=51).user == lena
    assert Show.objects.get(pk=11).movie.title == "Salt"
    assert not Booking.objects.filter(user=here).exists()


def test_ids_out_of_range_are_replaced(original: Original) -> None:
    original.run(
        "ALTER TABLE users ALTER id TYPE bigint",
        "UPDATE users SET id = 0 WHERE id = 7",
        "UPDATE users SET id = 9223372036854775807 WHERE id = 8",
        "DELETE FROM bookings",
    )
    assert "users 2 0 2 2 0" in import_original(original)
    assert all(0 < pk < 10**9 for pk in User.objects.values_list("pk", flat=True))


def test_repeating_imports_nothing_twice(original: Original) -> None:
    import_original(original)
    before = content()
    report = import_original(original)
    assert content() == before
    assert "bookings 2 2 0 0 0" in report
    assert Order.objects.count() == 2


def test_the_next_run_imports_what_was_sold_meanwhile(original: Original) -> None:
    import_original(original)
    original.run(
        f"INSERT INTO users VALUES (9, 'Mia', 'mia@example.com', '{HASH}')",
        "UPDATE seats SET status = 'booked' WHERE id = 102",
        "INSERT INTO bookings VALUES (53, 9, 11, 102)",
    )
    assert "bookings 3 2 1 0 0" in import_original(original)
    assert Booking.objects.get(pk=53).user.email == "mia@example.com"
    assert states(Seat.objects.get(pk=102)) == ["booked"]


@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_the_size_of_a_batch_changes_nothing(original: Original, batch: int) -> None:
    import_original(original, batch=batch)
    assert [len(rows) for rows in content()] == [2, 2, 1, 2, 6, 2, 15]
    assert states(*Seat.objects.order_by("pk")) == [
        "booked",
        "available",
        "available",
        "booked",
        "available",
        "available",
    ]


@pytest.mark.parametrize("table", TABLES)
def test_the_next_run_continues_an_interrupted_one(
    original: Original, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_batch = run._import_batch

    def interrupt(at: str, *others: Any) -> None:
        if at == table:
            raise KeyboardInterrupt
        import_batch(at, *others)

    monkeypatch.setattr(run, "_import_batch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        import_original(original)
    monkeypatch.undo()
    import_original(original, batch=2)
    assert [len(rows) for rows in content()] == [2, 2, 1, 2, 6, 2, 15]


def test_a_batch_is_imported_completely_or_not_at_all(
    original: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImportedRow.objects, "bulk_create", fail_to_record)
    with pytest.raises(RuntimeError):
        import_original(original)
    monkeypatch.undo()
    assert not User.objects.exists()


def fail_to_record(rows: Any) -> None:
    raise RuntimeError("The disk is full.")


def test_a_dry_run_reports_the_same_and_changes_nothing(original: Original) -> None:
    original.run("UPDATE users SET email = 'none' WHERE id = 8")
    before, numbers = content(), sequences()
    reported = import_original(original, dry_run=True)
    assert content() == before
    assert not Order.objects.exists()
    assert sequences() == numbers
    real = import_original(original)
    assert reported == f"{real}\nThis was a dry run: nothing was imported."


def test_the_original_is_only_read(original: Original) -> None:
    before = original.content()
    import_original(original)
    assert original.content() == before
    with Source(original.url) as source, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        source._connection.execute("DELETE FROM bookings")


# The original's own migrations name no unique places, and some installations keep numbers as texts.
LAXER = (
    "ALTER TABLE seats DROP CONSTRAINT seats_show_id_row_number_key",
    "ALTER TABLE seats ALTER number TYPE varchar(10)",
)
REPORTED = {
    "users, imported, but: the name has invisible characters: edit it (1: 8)": [
        "UPDATE users SET name = chr(8238) || 'aneL' WHERE id = 8"
    ],
    "users, imported, but: the name contains a link: edit it (1: 8)": [
        "UPDATE users SET name = 'See https://prize.example' WHERE id = 8"
    ],
    "movies, imported, but: the description has invisible characters: edit it (1: 3)": [
        "UPDATE movies SET description = 'A' || chr(10) || chr(8203) WHERE id = 3"
    ],
    "users, not imported: the e-mail address is invalid (2: 9, 10)": [
        f"INSERT INTO users VALUES (9, 'Bob', 'bob', '{HASH}'),"
        f" (10, 'Bo', '{'b' * 60}@{('o' * 60 + '.') * 3}bob.example', '{HASH}')"
    ],
    "users, not imported: another account has this e-mail address (1: 9)": [
        f"INSERT INTO users VALUES (9, 'Lena', 'LENA@example.com ', '{HASH}')"
    ],
    "users, imported, but: the password hash is unreadable, so the password must be reset (1: 8)": [
        "UPDATE users SET password_hash = '$2a$31$x' WHERE id = 8"
    ],
    "users, imported, but: the name was cut to 200 characters (1: 8)": [
        "UPDATE users SET name = repeat('x', 255) WHERE id = 8"
    ],
    "movies, imported, but: the title was cut to 200 characters (1: 3)": [
        "UPDATE movies SET title = repeat('x', 255) WHERE id = 3"
    ],
    "movies, not imported: it has no title (3: 5, 6, 7)": [
        "INSERT INTO movies (id, title) VALUES (5, NULL), (6, ' '), (7, chr(8203))"
    ],
    "theatres, not imported: it has no name (2: 5, 6)": [
        "INSERT INTO theatres (id, name) VALUES (5, NULL), (6, '')"
    ],
    "users, imported, but: it has no name (1: 8)": ["UPDATE users SET name = NULL WHERE id = 8"],
    "seats, not imported: another seat of its show has its row and number (2: 108, 100)": [
        *LAXER,
        "INSERT INTO seats VALUES (100, 11, 'A', '01', 5), (107, 11, 'A', '7', 5),"
        " (108, 11, 'A', '7', 5), (109, 11, 'A', '8', 5), (110, 12, 'A', '8', 5)",
        "UPDATE seats SET status = 'booked' WHERE id IN (107, 108)",
    ],
    "shows, not imported: its movie does not exist or was not imported (1: 13)": [
        "INSERT INTO shows VALUES (13, 99, 2, now())"
    ],
    "shows, not imported: its theatre does not exist or was not imported (1: 13)": [
        "INSERT INTO shows VALUES (13, 3, 99, now())"
    ],
    "shows, not imported: its start time is missing or out of range (4: 13, 14, 15, 16)": [
        "INSERT INTO shows VALUES (13, 3, 2, NULL), (14, 3, 2, 'infinity'),"
        " (15, 3, 2, '20026-05-01'), (16, 3, 2, '0044-03-15 BC')"
    ],
    "seats, not imported: its show does not exist or was not imported (1: 107)": [
        "INSERT INTO seats VALUES (107, 99, 'A', 1, 5)"
    ],
    "seats, not imported: the name of its row is not 1 to 4 characters long (2: 107, 108)": [
        "INSERT INTO seats VALUES (107, 11, '', 1, 5), (108, 11, 'BALCONY', 1, 5)"
    ],
    "seats, not imported: its number is missing or out of range (2: 107, 108)": [
        "INSERT INTO seats VALUES (107, 11, 'C', 0, 5), (108, 11, 'C', NULL, 5)"
    ],
    "seats, not imported: its price is missing or out of range (4: 107, 108, 109, 110)": [
        "INSERT INTO seats VALUES (107, 11, 'C', 1, -1), (108, 11, 'C', 2, NULL),"
        " (109, 11, 'C', 3, 'NaN'), (110, 11, 'C', 4, 1e9)"
    ],
    "seats, imported, but: sold, but no booking could be imported: blocked here (1: 102)": [
        "UPDATE seats SET status = 'booked' WHERE id = 102"
    ],
    "bookings, not imported: its user does not exist (2: 53, 54)": [
        "INSERT INTO bookings VALUES (53, 99, 11, 102), (54, NULL, 11, 103)"
    ],
    "bookings, not imported: its show does not exist or was not imported (1: 53)": [
        "INSERT INTO bookings VALUES (53, 7, 99, 102)"
    ],
    "bookings, not imported: its seat does not exist or was not imported (1: 53)": [
        "INSERT INTO bookings VALUES (53, 7, 11, 999)"
    ],
    "bookings, not imported: its seat belongs to another show (1: 53)": [
        "INSERT INTO bookings VALUES (53, 7, 12, 102)"
    ],
    "bookings, not imported: its seat is booked by someone else (1: 53)": [
        "INSERT INTO bookings VALUES (53, 8, 11, 101)"
    ],
}


@pytest.mark.parametrize("line", REPORTED)
def test_rejected_and_adjusted_rows_are_reported_with_the_reason(
    original: Original, line: str
) -> None:
    original.run(*REPORTED[line])
    assert line in import_original(original).splitlines()
    if "imported, but" not in line or "blocked here" in line:
        # Every run reports it until it is fixed; imported rows are reported once.
        assert line in import_original(original).splitlines()
    assert Booking.objects.filter(pk__in=[51, 52]).count() == 2
    output = io.StringIO()
    call_command("doctor", stdout=output)
    assert " 0 broken" in output.getvalue()


@pytest.mark.parametrize("batch", [1, 2, 1000])
@pytest.mark.parametrize("booked_by", ["status", "booking"])
def test_of_two_seats_of_one_place_the_booked_one_is_imported(
    original: Original, batch: int, booked_by: str
) -> None:
    booked = {
        "status": ["UPDATE seats SET status = 'booked' WHERE id = 110"],
        "booking": ["INSERT INTO bookings VALUES (53, 8, 11, 110)"],
    }
    original.run(
        *LAXER,
        "INSERT INTO seats VALUES (107, 11, 'C', '1', 5), (110, 11, 'C', '1', 5)",
        *booked[booked_by],
    )
    reported = import_original(original, dry_run=True, batch=batch)
    real = import_original(original, batch=batch)
    assert "another seat of its show has its row and number (1: 107)" in real
    assert reported == f"{real}\nThis was a dry run: nothing was imported."
    assert Seat.objects.get(row="C").pk == 110


def test_a_seat_whose_place_was_added_here_is_refused(original: Original) -> None:
    import_original(original)
    SeatFactory(show_id=11, row="C", number=1)
    original.run("INSERT INTO seats VALUES (107, 11, 'C', 1, 5)")
    assert "has its row and number (1: 107)" in import_original(original)


def test_rows_of_a_movie_or_show_deleted_here_are_refused(original: Original) -> None:
    import_original(original)
    Show.objects.filter(pk=12).update(movie=3)
    Movie.objects.get(pk=4).delete()
    Seat.objects.filter(pk=106).delete()
    original.run(
        "INSERT INTO shows VALUES (13, 4, 2, now())", "INSERT INTO bookings VALUES (53, 7, 11, 106)"
    )
    for dry_run in (True, False):
        report = import_original(original, dry_run=dry_run)
        assert "its movie does not exist or was not imported (1: 13)" in report
        assert "its seat was deleted or is archived here (1: 53)" in report


def test_the_id_of_an_imported_row_deleted_here_is_not_used_for_another_venue(
    original: Original,
) -> None:
    import_original(original, venue="Rex")
    Show.objects.filter(pk=12).update(movie=3)
    Movie.objects.get(pk=4).delete()
    original.run("UPDATE users SET email = 'other-' || email")
    assert "movies 2 0 2 2 0" in import_original(original, venue="Royal")


@pytest.fixture
def no_sea(db: None) -> Iterator[None]:
    """A constraint that the import does not know."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE movies ADD CONSTRAINT no_sea CHECK (title <> 'Sea')")
        yield
        cursor.execute("ALTER TABLE movies DROP CONSTRAINT no_sea")


@pytest.mark.usefixtures("no_sea")
def test_a_row_that_the_database_refuses_is_reported_and_the_others_are_imported(
    original: Original,
) -> None:
    reported = import_original(original, dry_run=True)
    real = import_original(original)
    assert "movies, not imported: the database refuses it: no_sea (1: 4)" in real
    assert "movies 2 0 1 0 1" in real
    assert reported == f"{real}\nThis was a dry run: nothing was imported."
    assert Movie.objects.get().title == "Salt"


def test_the_report_of_a_failed_import_is_printed(
    original: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> NoReturn:
        raise OperationalError("The connection was lost.")

    original.run("INSERT INTO bookings VALUES (53, 99, 11, 102)")
    monkeypatch.setattr(run, "_sold_without_booking", fail)
    output = io.StringIO()
    with pytest.raises(CommandError, match="Run it again"):
        call_command("import_original", original.url, stdout=output)
    assert "its user does not exist (1: 53)" in output.getvalue()


def test_an_adjusted_row_is_reported_once(original: Original) -> None:
    original.run("UPDATE users SET name = repeat('x', 255) WHERE id = 8")
    assert "the name was cut" in import_original(original)
    assert "the name was cut" not in import_original(original)
    assert User.objects.get(pk=8).name == "x" * 200


def test_a_sold_seat_without_a_booking_is_blocked_until_the_booking_follows(
    original: Original,
) -> None:
    original.run("UPDATE seats SET status = 'booked' WHERE id = 102")
    import_original(original)
    seat = Seat.objects.get(pk=102)
    assert refusal(book_seats(client_of(7), seat)) == (409, "seat_unavailable")
    original.run("INSERT INTO bookings VALUES (53, 8, 11, 102)")
    assert "blocked here" not in import_original(original)
    assert states(seat) == ["booked"]
    assert client_of(8).get("/api/bookings/53").status_code == 200


def test_the_first_of_two_bookings_of_a_seat_wins(original: Original) -> None:
    original.run("INSERT INTO bookings VALUES (40, 8, 11, 101)")
    import_original(original)
    assert Booking.objects.get(seat_id=101).user_id == 8


def test_a_seat_sold_here_is_not_sold_again(original: Original) -> None:
    import_original(original)
    bought(client_of(8), Seat.objects.get(pk=102))
    original.run("INSERT INTO bookings VALUES (90, 7, 11, 102)")
    assert "its seat is booked by someone else (1: 90)" in import_original(original)
    assert Booking.objects.get(seat_id=102).user_id == 8


def test_a_seat_held_here_waits_for_the_end_of_the_hold(original: Original) -> None:
    import_original(original)
    hold = held(client_of(8), Seat.objects.get(pk=102))
    original.run("INSERT INTO bookings VALUES (90, 7, 11, 102)")
    assert "run the import again later (1: 90)" in import_original(original)
    let_expire(hold["id"])
    import_original(original)
    assert Booking.objects.get(seat_id=102).user_id == 7
    assert states(Seat.objects.get(pk=102)) == ["booked"]


def test_a_booking_without_an_account_becomes_a_box_office_order(
    original: Original,
) -> None:
    original.run(
        f"INSERT INTO users VALUES (9, 'Le\u0301na Two', 'LENA@example.com', '{HASH}')",
        "INSERT INTO bookings VALUES (53, 9, 11, 102)",
    )
    report = import_original(original)
    assert "bookings, imported, but: no account, so booked as a box office order (1: 53)" in report
    order = Booking.objects.get(pk=53).order
    assert order is not None
    assert (order.user, order.channel) == (None, "box_office")
    assert (order.customer_name, order.customer_email) == ("L\u00e9na Two", "lena@example.com")
    assert len(client_of(7).get("/api/bookings").json()) == 1


def test_an_account_created_here_does_not_get_bookings_of_the_same_address(
    original: Original,
) -> None:
    here = UserFactory(email="leo@example.com")
    assert "another account has this e-mail address (1: 8)" in import_original(original)
    assert not Booking.objects.filter(user=here).exists()
    assert Order.objects.get(customer_email="leo@example.com").customer_name == "Leo Lion"


def test_two_venues_are_imported_side_by_side(original: Original) -> None:
    import_original(original, venue="Rex")
    original.run("UPDATE users SET email = 'other-' || email")
    report = import_original(original, venue="Royal")
    assert "users 2 0 2 2 0" in report
    assert Booking.objects.count() == 4
    assert User.objects.count() == 4


def test_the_id_of_an_archived_seat_is_not_used_again(original: Original, api: APIClient) -> None:
    original.run("INSERT INTO seats VALUES (107, 12, 'A', 2, 9), (108, 12, 'A', 3, 9)")
    import_original(original, venue="Rex")
    before = api.get("/api/shows/12/seats").json()
    assert archive_rooms() == 1
    assert not Seat.objects.filter(pk__in=[107, 108]).exists()
    original.run("UPDATE users SET email = 'other-' || email")
    report = import_original(original, venue="Royal")
    assert "seats 8 0 8 8 0" in report
    assert not Seat.objects.filter(pk__in=[107, 108]).exists()
    assert api.get("/api/shows/12/seats").json() == before


def test_a_booking_of_an_archived_seat_is_reported(original: Original) -> None:
    original.run("INSERT INTO seats VALUES (107, 12, 'A', 2, 9)")
    import_original(original)
    archive_rooms()
    original.run("INSERT INTO bookings VALUES (53, 8, 12, 107)")
    assert "is archived here" in import_original(original)
    assert Booking.objects.count() == 2


def test_every_case_is_written_to_a_file(original: Original, tmp_path: Path) -> None:
    original.run("INSERT INTO bookings VALUES (53, 99, 11, 102)")
    import_original(original, report=tmp_path / "cases.csv")
    with (tmp_path / "cases.csv").open() as cases:
        assert list(csv.reader(cases)) == [
            ["table", "id", "outcome", "reason"],
            ["bookings", "53", "not imported", "its user does not exist"],
            ["end", "1", "", ""],
        ]


def test_the_file_of_an_interrupted_import_has_no_end(
    original: Original, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def fail(*args: Any) -> NoReturn:
        written.append((tmp_path / "cases.csv").read_text())  # also if the process is killed now
        raise KeyboardInterrupt

    original.run("INSERT INTO bookings VALUES (53, 99, 11, 102)")
    monkeypatch.setattr(run, "_sold_without_booking", fail)
    with pytest.raises(KeyboardInterrupt):
        import_original(original, report=tmp_path / "cases.csv")
    assert written == [(tmp_path / "cases.csv").read_text()]
    [_, case] = written[0].splitlines()
    assert case.startswith("bookings,53,")


def test_a_second_import_at_the_same_time_is_refused(original: Original) -> None:
    with psycopg.connect(database_url()) as link:
        link.execute("SELECT pg_advisory_lock(%s)", [run.IMPORT_LOCK])
        with pytest.raises(CommandError, match="Another import is running"):
            import_original(original)
    import_original(original)


def test_a_database_of_this_system_is_refused() -> None:
    with pytest.raises(CommandError, match="a database of this system"):
        call_command("import_original", database_url())


def test_missing_tables_and_columns_are_named(original: Original) -> None:
    original.run("DROP TABLE bookings", "ALTER TABLE users DROP name")
    with pytest.raises(CommandError, match=r"lacks users\.name, bookings\.id, bookings\.user_id"):
        call_command("import_original", original.url)


def test_an_unreachable_database_is_reported() -> None:
    with pytest.raises(CommandError, match="connection"):
        call_command("import_original", "postgres://127.0.0.1:1/nothing")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"timezone": "Mars/Olympus"}, "time zone"),
        ({"currency": "euro"}, "ISO 4217"),
        ({"currency": "BGN"}, "ISO 4217"),
    ],
)
def test_invalid_options_are_refused_before_importing(
    original: Original, option: dict[str, str], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("import_original", original.url, **option)
    assert not User.objects.exists()


def test_no_connection_is_left_open(original: Original) -> None:
    import_original(original)
    connections["default"].close()
    with psycopg.connect(original.url) as link:
        (others,) = link.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone() or (None,)
    assert others == 0
