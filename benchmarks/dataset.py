"""The data of a benchmark: its size, and how it is filled, reset and checked.

The site and a peer share the tables users, movies, theatres, shows, seats and
bookings. Workloads that run on both use only those.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar, LiteralString

import psycopg

PASSWORD = "benchmark password"  # noqa: S105 - of customers who exist only here
CUSTOMERS = 500
MOVIES = 100
_ACTIVE_BACKENDS = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()
"""
IDLE_SAMPLES = 10  # in a row
SHOW_SEATS = 240  # 12 rows of 20
PREMIERES = 40  # of 2,000 seats
GAP_RULE_SHOWS = 200  # with the single-gap rule on
USED_SHOWS = 800  # of those without the rule, for single bookings
QUIET_SHOW, BUSY_SHOW = 1, 2  # half sold, for seat maps

ShowSeat = tuple[int, int]  # their ids


@dataclass(frozen=True, slots=True)
class Size:
    """The number of seats in ordinary shows, and the share of them that is already sold.

    Unless `bare`, there are also shows with the single-gap rule, and premieres.
    """

    seats: int
    sold: float
    bare: bool = False

    @property
    def shows(self) -> int:
        return self.seats // SHOW_SEATS

    @property
    def gap_rule(self) -> int:
        return 0 if self.bare else GAP_RULE_SHOWS

    @property
    def premieres(self) -> int:
        return 0 if self.bare else PREMIERES

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the statements that fill the tables."""
        return {
            "customers": CUSTOMERS,
            # The customers who send requests, and others who bought 30 seats each.
            "users": CUSTOMERS + int(self.seats * self.sold) // 30,
            "movies": MOVIES,
            "shows": self.shows,
            "gap_rule": self.gap_rule,
            "premieres": self.premieres,
            "sold": self.sold,
        }


@dataclass(frozen=True, slots=True)
class AvailableSeats:
    """Ordered so that neighbouring seats are far apart in the list."""

    plain: list[ShowSeat]
    gap_rule: list[ShowSeat]
    premieres: list[list[ShowSeat]]


class Dataset(ABC):
    """Shows are numbered from 1: ordinary ones, those with the single-gap rule, premieres."""

    fill_statements: ClassVar[tuple[LiteralString, ...]]
    # Run by `reset` after the bookings are deleted.
    reset_statements: ClassVar[tuple[LiteralString, ...]] = ()

    def __init__(self, *, url: str, size: Size) -> None:
        self.url = url
        self.size = size
        self._last_booking = 0

    @abstractmethod
    def password_hash(self) -> str:
        """Return the stored hash of `PASSWORD`."""

    @abstractmethod
    def tokens(self) -> list[str]:
        """Return an access token for each customer, in order of their ids."""

    def fill(self) -> None:
        """Fill the tables, which must exist and be empty."""
        parameters = self.size.parameters | {"password_hash": self.password_hash()}
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in self.fill_statements:
                connection.execute(statement, parameters)
        self._last_booking = self._scalar("SELECT coalesce(max(id), 0) FROM bookings")

    def available_seats(self) -> AvailableSeats:
        every = max(1, self.size.shows // USED_SHOWS)
        first_with_gap_rule = self.size.shows + 1
        first_premiere = first_with_gap_rule + self.size.gap_rule
        found = self._rows(
            "SELECT show_id, id FROM seats"
            " WHERE status = 'available' AND show_id > %s"
            " AND (show_id >= %s OR show_id %% %s = 0)"
            " ORDER BY number, show_id, row",
            [BUSY_SHOW, first_with_gap_rule, every],
        )
        available = AvailableSeats([], [], [[] for _ in range(self.size.premieres)])
        for show_id, seat_id in found:
            if show_id < first_with_gap_rule:
                available.plain.append((show_id, seat_id))
            elif show_id < first_premiere:
                available.gap_rule.append((show_id, seat_id))
            else:
                available.premieres[show_id - first_premiere].append((show_id, seat_id))
        return available

    def available_seats_of(self, show_id: int) -> list[int]:
        found = self._rows(
            "SELECT id FROM seats WHERE show_id = %s AND status = 'available'", [show_id]
        )
        return [seat_id for (seat_id,) in found]

    def release(self, seat_ids: Collection[int]) -> None:
        """Delete the bookings of these seats, and make the seats available."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                """
                WITH gone AS (DELETE FROM bookings WHERE seat_id = ANY(%s) RETURNING seat_id)
                UPDATE seats SET status = 'available' WHERE id IN (SELECT seat_id FROM gone)
                """,
                [list(seat_ids)],
            )

    def count_sold(self) -> int:
        """Return the number of bookings made since `fill`."""
        return self._scalar("SELECT count(*) FROM bookings WHERE id > %s", [self._last_booking])

    def count_sold_twice(self) -> int:
        return self._scalar(
            "SELECT count(*) FROM ("
            " SELECT seat_id FROM bookings GROUP BY seat_id HAVING count(*) > 1) AS seat"
        )

    def reset(self) -> None:
        """Delete bookings and holds made since `fill`, so that every run starts alike."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            _wait_for_idle(connection)
            connection.execute(
                """
                WITH gone AS (DELETE FROM bookings WHERE id > %s RETURNING seat_id)
                UPDATE seats SET status = 'available' WHERE id IN (SELECT seat_id FROM gone)
                """,
                [self._last_booking],
            )
            for statement in self.reset_statements:
                connection.execute(statement)
            connection.execute("VACUUM ANALYZE seats, bookings")
            connection.execute("CHECKPOINT")

    def _rows(self, statement: LiteralString, values: Collection[Any] = ()) -> list[Any]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement, list(values)).fetchall()

    def _scalar(self, statement: LiteralString, values: Collection[Any] = ()) -> int:
        return int(self._rows(statement, values)[0][0])


def _wait_for_idle(connection: psycopg.Connection[Any]) -> None:
    """Wait for requests that were still running when the load ended.

    PostgreSQL is also idle between two transactions of such a request.
    """
    deadline, idle = time.monotonic() + 10, 0
    while time.monotonic() < deadline and idle < IDLE_SAMPLES:
        time.sleep(0.05)
        idle = idle + 1 if connection.execute(_ACTIVE_BACKENDS).fetchone() == (0,) else 0
