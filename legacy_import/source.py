"""The original system's database: a read-only snapshot."""

from collections.abc import Iterator, Sequence
from typing import Any, LiteralString, Self

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

Row = dict[str, Any]

# Referenced tables come first.
TABLES: dict[str, tuple[str, ...]] = {
    "users": ("id", "name", "email", "password_hash", "created_at", "updated_at"),
    "movies": ("id", "title", "description", "created_at"),
    "theatres": ("id", "name", "location", "created_at"),
    "shows": ("id", "movie_id", "theatre_id", "start_time", "created_at"),
    "seats": ("id", "show_id", "row", "number", "price", "status"),
    "bookings": ("id", "user_id", "show_id", "seat_id", "booked_at"),
}
TIMES = {"start_time", "booked_at", "created_at", "updated_at"}
# The session's time zone is UTC, so the cast reads times without a zone as UTC. Times that Python
# can't represent (infinity, the year 20026) become NULL.
_TIME = sql.SQL(
    "CASE WHEN {0} BETWEEN '0002-01-02' AND '9999-12-30' THEN {0}::timestamptz END AS {0}"
)
# Of several seats with one row and number, the first is imported.
_BOOKED_FIRST = (
    "ORDER BY status::text IS DISTINCT FROM 'available'"
    " OR id IN (SELECT seat_id FROM public.bookings) DESC, id"
)
# This system has this table, the original does not.
DJANGO_TABLE = "django_migrations"


class Unreadable(Exception):
    """The database can't be reached, or isn't the original system's; the message is one line."""


class Source:
    """A read-only connection on one snapshot; a context manager."""

    def __init__(self, url: str) -> None:
        try:
            self._connection = psycopg.connect(
                url,
                row_factory=dict_row,
                prepare_threshold=None,  # behind a pooler, another client may use the same name
            )
        except psycopg.Error as error:
            raise Unreadable(str(error).strip()) from error
        self._connection.read_only = True
        self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        # Between two reads it is idle while the import writes, however long that takes.
        self._connection.execute("SET idle_in_transaction_session_timeout = 0")
        # The original's servers wrote times without a zone in UTC.
        self._connection.execute("SET TIME ZONE 'UTC'")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def require_original(self) -> None:
        """Raise `Unreadable` unless all tables and columns in TABLES exist."""
        found = self._connection.execute(
            "SELECT table_name AS table, array_agg(column_name::text) AS columns"
            " FROM information_schema.columns WHERE table_schema = 'public' GROUP BY 1"
        )
        columns = {row["table"]: set(row["columns"]) for row in found}
        if DJANGO_TABLE in columns:
            raise Unreadable("This is a database of this system, not of the original.")
        missing = [
            f"{table}.{name}"
            for table, names in TABLES.items()
            for name in names
            if name not in columns.get(table, ())
        ]
        if missing:
            raise Unreadable(f"The database lacks {', '.join(missing)}.")

    def count(self, table: str) -> int:
        query = sql.SQL("SELECT count(*) AS rows FROM public.{}").format(sql.Identifier(table))
        (row,) = self._connection.execute(query)
        return int(row["rows"])

    def biggest_id(self, table: str, *, below: int) -> int:
        query = sql.SQL("SELECT coalesce(max(id), 0) AS id FROM public.{} WHERE id < {}")
        (row,) = self._connection.execute(query.format(sql.Identifier(table), below))
        return int(row["id"])

    def batches(self, table: str, *, size: int) -> Iterator[list[Row]]:
        """Yield all rows by id, `size` at a time; of the seats, the booked ones first."""
        query = self._select(table, _BOOKED_FIRST if table == "seats" else "ORDER BY id")
        with self._connection.cursor(name="batches") as cursor:
            cursor.execute(query)
            while batch := cursor.fetchmany(size):
                yield batch

    def rows(self, table: str, ids: Sequence[int]) -> dict[int, Row]:
        """Return the rows with these ids, by id; missing ones are left out."""
        found = self._connection.execute(self._select(table, "WHERE id = ANY(%s)"), [list(ids)])
        return {row["id"]: row for row in found}

    def _select(self, table: str, clauses: LiteralString) -> sql.Composed:
        names = sql.SQL(", ").join(
            (_TIME if name in TIMES else sql.SQL("{}")).format(sql.Identifier(name))
            for name in TABLES[table]
        )
        return sql.SQL("SELECT {} FROM public.{} {}").format(
            names, sql.Identifier(table), sql.SQL(clauses)
        )
