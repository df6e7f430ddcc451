"""The data of a benchmark: how large, how it is made, put back and judged.

The site and a peer have the tables of one document in common: users, movies,
theatres, shows, seats, bookings. What is measured on both uses only those.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar, LiteralString

import psycopg

PASSWORD = "benchmark password"  # noqa: S105 - of people who do not exist
CALLERS = 500
MOVIES = 100
_BUSY = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()
"""
SHOW_SEATS = 240  # 12 rows of 20
PREMIERES = 40  # of 2,000 seats
RULED_SHOWS = 200  # with the single-gap rule on
USED_SHOWS = 800  # of the plain ones, for bookings one by one
QUIET_SHOW, BUSY_SHOW = 1, 2  # half sold, for seat maps

Spot = tuple[int, int]  # show, seat


@dataclass(frozen=True, slots=True)
class Size:
    """How many seats, and which share of them is sold already.

    Beside them, there are shows under the gap rule and premieres, unless it is `bare`.
    """

    seats: int
    sold: float
    bare: bool = False

    @property
    def shows(self) -> int:
        return self.seats // SHOW_SEATS

    @property
    def ruled(self) -> int:
        return 0 if self.bare else RULED_SHOWS

    @property
    def premieres(self) -> int:
        return 0 if self.bare else PREMIERES

    @property
    def facts(self) -> dict[str, Any]:
        """What the statements that fill tables need to know."""
        return {
            "callers": CALLERS,
            # Beside the callers, people who have bought 30 seats each.
            "users": CALLERS + int(self.seats * self.sold) // 30,
            "movies": MOVIES,
            "shows": self.shows,
            "ruled": self.ruled,
            "premieres": self.premieres,
            "sold": self.sold,
        }


@dataclass(frozen=True, slots=True)
class Rooms:
    """Free seats, in an order in which neighbours are far apart."""

    plain: list[Spot]
    ruled: list[Spot]
    premieres: list[list[Spot]]


class House(ABC):
    """Shows are numbered from 1: plain ones, those under the gap rule, premieres."""

    fill_statements: ClassVar[tuple[LiteralString, ...]]
    # Beside bookings; they go first.
    forget_statements: ClassVar[tuple[LiteralString, ...]] = ()

    def __init__(self, *, url: str, size: Size) -> None:
        self.url = url
        self.size = size
        self._last_booking = 0

    @abstractmethod
    def password_hash(self) -> str:
        """Return what the table of users keeps of `PASSWORD`."""

    @abstractmethod
    def tokens(self) -> list[str]:
        """Return a token of each caller, by id."""

    def fill(self) -> None:
        """Make everything, in tables that are there and empty."""
        facts = self.size.facts | {"password_hash": self.password_hash()}
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in self.fill_statements:
                connection.execute(statement, facts)
        self._last_booking = self._number("SELECT coalesce(max(id), 0) FROM bookings")

    def rooms(self) -> Rooms:
        every = max(1, self.size.shows // USED_SHOWS)
        first_ruled = self.size.shows + 1
        first_premiere = first_ruled + self.size.ruled
        found = self._all(
            "SELECT show_id, id FROM seats"
            " WHERE status = 'available' AND show_id > %s"
            " AND (show_id >= %s OR show_id %% %s = 0)"
            " ORDER BY number, show_id, row",
            [BUSY_SHOW, first_ruled, every],
        )
        rooms = Rooms([], [], [[] for _ in range(self.size.premieres)])
        for show_id, seat_id in found:
            if show_id < first_ruled:
                rooms.plain.append((show_id, seat_id))
            elif show_id < first_premiere:
                rooms.ruled.append((show_id, seat_id))
            else:
                rooms.premieres[show_id - first_premiere].append((show_id, seat_id))
        return rooms

    def free_seats(self, show_id: int) -> list[int]:
        found = self._all(
            "SELECT id FROM seats WHERE show_id = %s AND status = 'available'", [show_id]
        )
        return [seat_id for (seat_id,) in found]

    def free_again(self, seat_ids: Collection[int]) -> None:
        """Take back what was sold of these seats."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                """
                WITH gone AS (DELETE FROM bookings WHERE seat_id = ANY(%s) RETURNING seat_id)
                UPDATE seats SET status = 'available' WHERE id IN (SELECT seat_id FROM gone)
                """,
                [list(seat_ids)],
            )

    def sold(self) -> int:
        """Count what was sold since it was filled."""
        return self._number("SELECT count(*) FROM bookings WHERE id > %s", [self._last_booking])

    def sold_twice(self) -> int:
        return self._number(
            "SELECT count(*) FROM ("
            " SELECT seat_id FROM bookings GROUP BY seat_id HAVING count(*) > 1) AS seat"
        )

    def put_back(self) -> None:
        """Undo what was sold and held, so that every run meets the same tables."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            _await_quiet(connection)
            connection.execute(
                """
                WITH gone AS (DELETE FROM bookings WHERE id > %s RETURNING seat_id)
                UPDATE seats SET status = 'available' WHERE id IN (SELECT seat_id FROM gone)
                """,
                [self._last_booking],
            )
            for statement in self.forget_statements:
                connection.execute(statement)
            connection.execute("VACUUM ANALYZE seats, bookings")
            connection.execute("CHECKPOINT")

    def _all(self, statement: LiteralString, values: Collection[Any] = ()) -> list[Any]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement, list(values)).fetchall()

    def _number(self, statement: LiteralString, values: Collection[Any] = ()) -> int:
        return int(self._all(statement, values)[0][0])


def _await_quiet(connection: psycopg.Connection[Any]) -> None:
    """Wait for the requests that were under way when the load ended."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and connection.execute(_BUSY).fetchone() != (0,):
        time.sleep(0.05)
