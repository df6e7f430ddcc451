"""The database enforces the catalogue's rules: plain SQL cannot break any of them."""

from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

pytestmark = pytest.mark.django_db

FOUNDATION = """
    INSERT INTO theatres (id, name, location) VALUES (1, 'Roxy', 'Here'), (2, 'Apollo', 'There');
    INSERT INTO movies (id, title, description) VALUES (1, 'Vertigo', '');
    INSERT INTO screens (id, theatre_id, name, layout, turnaround_minutes)
        VALUES (1, 1, 'One', '', 20), (2, 1, 'Two', '', 20), (3, 2, 'One', '', 20);
    INSERT INTO price_cards (id, name) VALUES (1, 'Weekday');
    INSERT INTO price_card_lines (id, price_card_id, category, price) VALUES (1, 1, 'standard', 9);
    INSERT INTO shows (id, movie_id, theatre_id, screen_id, start_time, end_time, occupied_until)
        VALUES (1, 1, 1, 1, '2031-01-01 20:00Z', '2031-01-01 22:00Z', '2031-01-01 22:20Z'),
               (2, 1, 1, 1, '2031-01-01 22:20Z', '2031-01-02 00:00Z', '2031-01-02 00:20Z');
    INSERT INTO seats (id, show_id, row, number, price) VALUES (1, 1, 'A', 1, 9);
    -- Ids that the database gives must not meet those given here.
    SELECT setval(pg_get_serial_sequence(name, 'id'), 1000) FROM unnest(ARRAY[
        'theatres', 'movies', 'screens', 'price_card_lines', 'shows', 'seats']) name;
"""

ON_SCREEN = (
    "INSERT INTO shows (movie_id, theatre_id, screen_id, start_time, occupied_until, status) VALUES"
)
SEAT = "INSERT INTO seats (show_id, row, number, price) VALUES"

BREAKING = [
    ("movie_duration_positive", "UPDATE movies SET duration_minutes = 0"),
    ("movie_run_ends_after_release",
     "UPDATE movies SET release_date = '2031-02-01', run_ends_on = '2031-01-31'"),
    ("theatre_gap_rule_known", "UPDATE theatres SET gap_rule = 'sometimes'"),
    ("theatre_currency_iso", "UPDATE theatres SET currency = 'eur'"),
    ("theatre_contact_email_ascii", "UPDATE theatres SET contact_email = 'desk@bücher.example'"),
    ("screen_one_name_per_theatre", "UPDATE screens SET name = 'One'"),
    ("screen_with_theatre", "INSERT INTO screens SELECT * FROM screens WHERE id = 1"),
    ("price_card_one_line_per_category", "INSERT INTO price_card_lines (price_card_id, category, "
     "price) VALUES (1, 'standard', 10)"),
    ("price_card_category_known", "UPDATE price_card_lines SET category = 'royal'"),
    ("price_card_price_not_negative", "UPDATE price_card_lines SET price = -0.01"),
    ("show_status_known", "UPDATE shows SET status = 'perhaps'"),
    ("show_ends_after_start", "UPDATE shows SET end_time = start_time"),
    ("show_on_screen_occupies_it", "UPDATE shows SET occupied_until = NULL"),
    ("show_on_screen_occupies_it", "UPDATE shows SET occupied_until = start_time"),
    ("show_screen_in_theatre", "UPDATE shows SET theatre_id = 2"),
    ("show_screen_in_theatre", "UPDATE shows SET screen_id = 3 WHERE id = 1"),
    ("show_screen_in_theatre", "UPDATE screens SET theatre_id = 2, name = 'New' WHERE id = 1"),
    ("show_screen_not_taken", f"{ON_SCREEN} (1, 1, 1, '2031-01-01 22:19Z', '2031-01-01 22:20Z', "
     "'planned')"),
    ("show_screen_not_taken", f"{ON_SCREEN} (1, 1, 1, '2031-01-01 19:00Z', '2031-01-01 23:00Z', "
     "'open')"),
    ("show_screen_not_taken", "UPDATE shows SET start_time = '2031-01-01 22:19Z' WHERE id = 2"),
    ("seat_one_per_place", f"{SEAT} (1, 'A', 1, 12)"),
    ("seat_with_show", "INSERT INTO seats (id, show_id, row, number, price)"
                       " SELECT id, show_id, row, number, price FROM seats"),
    ("theatre_language_known", "UPDATE theatres SET language = 'tlh'"),
    ("seat_number_positive", f"{SEAT} (1, 'A', 0, 12)"),
    ("seat_row_named", f"{SEAT} (1, '', 2, 12)"),
    ("seat_row_in_section", "UPDATE seats SET row = 'Stalls A', section = 'Balcony'"),
    ("seat_price_not_negative", f"{SEAT} (1, 'A', 2, -1)"),
    ("seat_status_known", "UPDATE seats SET status = 'sold'"),
    ("seat_category_known", "UPDATE seats SET category = 'sofa'"),
    ("seat_held_has_hold_and_end", "UPDATE seats SET status = 'held'"),
    ("seat_held_has_hold_and_end", "UPDATE seats SET status = 'held', held_until = now()"),
    ("seat_held_has_hold_and_end", "UPDATE seats SET held_until = now()"),
    ("seat_held_has_hold_and_end",
     "UPDATE seats SET status = 'booked', held_until = now(), hold_id = gen_random_uuid()"),
    ("show_sales_open_before_end", "UPDATE shows SET sales_open_at = start_time"),
    ("show_sales_open_before_end",
     "UPDATE shows SET sales_close_at = start_time - interval '2 h',"
     " sales_open_at = start_time - interval '1 h'"),
    ("show_times_in_range", "UPDATE shows SET sales_open_at = '-infinity'"),
    ("show_times_in_range", "UPDATE shows SET sales_close_at = 'infinity'"),
    ("show_times_in_range", "UPDATE shows SET start_time = '0001-12-31 23:59Z'"),
    ("show_times_in_range",
     "INSERT INTO shows (movie_id, theatre_id, start_time) VALUES (1, 1, '9999-12-31 00:00Z')"),
    ("archived_room_arrays_agree", "INSERT INTO archived_rooms (show_id, layout, has_positions, "
     "seat_ids, prices, block_reasons) VALUES (1, 'A S', true, '{1}', '{9}', '{}')"),
    ("archived_room_arrays_agree", "INSERT INTO archived_rooms (show_id, layout, has_positions, "
     "seat_ids, prices, block_reasons) VALUES (1, 'A S', true, '{1}', '{}', '{NULL}')"),
    ("refused_overlap_noted_once", "INSERT INTO refused_overlaps (screen_id, movie_id, start_time, "
     "in_the_way, refused_to_id, refused_at) SELECT 1, 1, '2031-01-01 20:30Z', '', 1, now() "
     "FROM generate_series(1, 2)"),
]  # fmt: skip

# A copy of the whole row violates the primary key first.
VIOLATES_PRIMARY_KEY_FIRST = {"screen_with_theatre": "screens_pkey", "seat_with_show": "seats_pkey"}


def execute(sql: str) -> list[Any]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture(autouse=True)
def foundation() -> None:
    execute(FOUNDATION)


@pytest.mark.parametrize(("constraint", "sql"), BREAKING)
def test_plain_sql_cannot_break(constraint: str, sql: str) -> None:
    with pytest.raises(IntegrityError) as caught:
        execute(sql)
    broken = caught.value.__cause__.diag.constraint_name  # type: ignore[union-attr]
    assert broken == VIOLATES_PRIMARY_KEY_FIRST.get(constraint, constraint)


def test_every_constraint_is_tested() -> None:
    declared = {
        constraint.name
        for model in apps.get_app_config("catalog").get_models()
        for constraint in model._meta.constraints
    }
    assert {name for name, _ in BREAKING} == declared | {"show_screen_in_theatre"}


def test_inserts_for_the_original_schema_still_work() -> None:
    """Only columns of the original schema; timestamps and status come from the database."""
    execute("INSERT INTO movies (title, description) VALUES ('Psycho', 'A motel.')")
    execute("INSERT INTO theatres (name, location) VALUES ('Ritz', 'Elsewhere')")
    execute("""
        INSERT INTO shows (movie_id, theatre_id, start_time)
        SELECT m.id, t.id, '2031-01-01 20:00Z' FROM movies m, theatres t
        WHERE m.title = 'Psycho' AND t.name = 'Ritz'
    """)
    execute("""
        INSERT INTO seats (show_id, row, number, price, status)
        SELECT max(id), 'A', n, 9.5, CASE n WHEN 1 THEN 'booked' ELSE 'available' END
        FROM shows, generate_series(1, 3) n GROUP BY n
    """)
    assert execute("""
        SELECT t.timezone, t.currency, s.status, seats.status, seats.category, seats.price,
               m.created_at IS NOT NULL AND s.updated_at IS NOT NULL
        FROM seats JOIN shows s ON s.id = show_id JOIN theatres t ON t.id = theatre_id
             JOIN movies m ON m.id = movie_id
        WHERE m.title = 'Psycho' AND number = 1
    """) == [("UTC", "USD", "open", "booked", "standard", pytest.approx(9.5), True)]


def test_cancelled_shows_and_shows_without_a_screen_conflict_with_nothing() -> None:
    clash = "'2031-01-01 20:00Z', '2031-01-01 23:00Z'"
    execute(f"{ON_SCREEN} (1, 1, 1, {clash}, 'cancelled')")
    execute(f"{ON_SCREEN} (1, 1, NULL, {clash}, 'open'), (1, 1, NULL, {clash}, 'open')")
    execute(f"{ON_SCREEN} (1, 1, 2, {clash}, 'open')")


SWAP = """
    UPDATE shows SET start_time = '2031-01-01 22:20Z', end_time = NULL,
                     occupied_until = '2031-01-02 00:40Z' WHERE id = 1;
    UPDATE shows SET start_time = '2031-01-01 20:00Z', end_time = NULL,
                     occupied_until = '2031-01-01 22:00Z' WHERE id = 2;
"""


def test_two_shows_can_swap_only_with_a_deferred_check() -> None:
    with pytest.raises(IntegrityError, match="show_screen_not_taken"):
        execute(SWAP)
    execute(f"SET CONSTRAINTS show_screen_not_taken DEFERRED; {SWAP}")
    execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_remaining_conflict_is_refused_at_commit() -> None:
    late = "UPDATE shows SET start_time = '2031-01-01 22:00Z' WHERE id = 2"
    with pytest.raises(IntegrityError, match="show_screen_not_taken"):
        execute(
            f"SET CONSTRAINTS show_screen_not_taken DEFERRED; {late};"
            "SET CONSTRAINTS show_screen_not_taken IMMEDIATE"
        )
