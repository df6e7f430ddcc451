"""Computes how many servers a chain of cinemas needs, from measured costs: `make capacity`.

docs/performance.md explains the formulas and their assumptions.
"""

import argparse
import math
from dataclasses import dataclass, fields
from typing import NamedTuple

from benchmarks.report import markdown


class Call(NamedTuple):
    """Milliseconds: processor time of app and proxies, of PostgreSQL; of a busy connection."""

    app: float
    postgres: float
    connection: float


# From `make bench`. The connection's time includes the round trips and, for writes, the wait for a
# standby.
BOOKING_CONNECTION = 8
HOLD = Call(app=0.80, postgres=0.65, connection=6)
SEAT_MAP = Call(app=0.46, postgres=0.20, connection=2)

SCREENS = (100, 1_000, 10_000)
APP_SERVERS = (1, 2, 4, 8)
DATABASE_CORES = (2, 4, 8)
STREAMS_PER_PROCESS = 10_000
RESERVED_CONNECTIONS = 10  # of workers, commands and administrators


@dataclass(frozen=True, slots=True)
class Chain:
    """What is assumed about the cinemas, their customers and their servers."""

    shows: float = 5  # per screen and day
    seats: float = 200  # per show
    sold: float = 0.3  # of the seats
    seats_per_booking: float = 2
    peak_hour: float = 0.15  # of the bookings of a day
    rush: float = 10  # rate when a popular sale opens, by that of the peak hour
    maps: float = 10  # seat maps read with a token for each booking
    holds: float = 2  # made or released for each booking
    visitors: float = 5  # who watch a seat map, for each who books
    minutes: float = 3  # for which they watch it
    app_ms: float = 2.3  # of processor time of app and proxies for a booking, by bench-cluster
    postgres_ms: float = 1.4
    load: float = 0.6  # of the cores, so that requests rarely wait for one
    server_cores: float = 2  # of an app server; WEB_CONCURRENCY

    def bookings(self, screens: int) -> float:
        """Return the bookings per second of the peak hour."""
        sold = screens * self.shows * self.seats * self.sold
        return sold / self.seats_per_booking * self.peak_hour / 3600

    @property
    def booking(self) -> Call:
        return Call(self.app_ms, self.postgres_ms, BOOKING_CONNECTION)

    def purchase(self) -> Call:
        """Return what a booking costs with the holds and seat maps that go with it."""
        return Call(
            *(
                booking + self.holds * hold + self.maps * seat_map
                for booking, hold, seat_map in zip(self.booking, HOLD, SEAT_MAP, strict=True)
            )
        )


@dataclass(frozen=True, slots=True)
class Needs:
    bookings_per_second: float  # of a rush
    database_cores: int
    app_servers: int
    pool_size: int  # default_pool_size of the PgBouncer of each app server
    max_connections: int
    streams: int  # of live seats, in the peak hour
    live_processes: int


def needs(chain: Chain, screens: int) -> Needs:
    """Return what the chain needs in a rush, at least two of everything that can fail."""
    rate, cost = chain.bookings(screens) * chain.rush, chain.purchase()
    app_servers = max(2, math.ceil(_cores(rate, cost.app, chain) / chain.server_cores))
    # Little's law, and twice that, because arrivals are irregular.
    busy = 2 * rate * cost.connection / 1000
    pool_size = max(4, math.ceil(busy / app_servers))
    streams = math.ceil(chain.bookings(screens) * chain.visitors * chain.minutes * 60)
    return Needs(
        bookings_per_second=rate,
        database_cores=max(2, math.ceil(_cores(rate, cost.postgres, chain))),
        app_servers=app_servers,
        pool_size=pool_size,
        # Old and new servers run side by side during a deploy.
        max_connections=2 * app_servers * pool_size + RESERVED_CONNECTIONS,
        streams=streams,
        live_processes=max(2, math.ceil(streams / STREAMS_PER_PROCESS)),
    )


def _cores(rate: float, milliseconds: float, chain: Chain) -> float:
    return rate * milliseconds / 1000 / chain.load


def saturation(call: Call, *, app_cores: float, database_cores: float) -> float:
    """Return the calls per second at which the app's or PostgreSQL's cores are all busy."""
    return 1000 * min(app_cores / call.app, database_cores / call.postgres)


def wait(rate: float, milliseconds: float, cores: int) -> float:
    """Return the mean milliseconds for which a call waits for one of the cores (Erlang C).

    Calls arrive at random, and their costs vary exponentially.
    """
    offered = rate * milliseconds / 1000
    if offered >= cores:
        return math.inf
    blocked = 1.0  # Erlang B, by its recursion
    for number in range(1, cores + 1):
        blocked = offered * blocked / (number + offered * blocked)
    busy = blocked / (1 - offered / cores * (1 - blocked))
    return busy * milliseconds / (cores - offered)


def main() -> None:
    chain = Chain(**vars(_parser().parse_args()))
    print(_rates(chain), "\n", sep="")
    print(_chains(chain))


def _rates(chain: Chain) -> str:
    """Return a table of bookings per second at the planned load, and the waits for PostgreSQL."""
    rows = []
    for servers in APP_SERVERS:
        row = [str(servers)]
        for cores in DATABASE_CORES:
            limit = saturation(
                chain.booking, app_cores=servers * chain.server_cores, database_cores=cores
            )
            rate = chain.load * limit
            waiting = wait(rate, chain.postgres_ms, cores)
            row.append(f"{rate:,.0f} ({waiting:.2f} ms)")
        rows.append(row)
    return markdown(["app servers", *(f"PostgreSQL: {cores}" for cores in DATABASE_CORES)], rows)


def _chains(chain: Chain) -> str:
    found = [needs(chain, screens) for screens in SCREENS]
    rows = [
        [field.name.replace("_", " "), *(f"{getattr(each, field.name):,.0f}" for each in found)]
        for field in fields(Needs)
    ]
    return markdown(["screens", *(f"{screens:,}" for screens in SCREENS)], rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make capacity ARGS=…", description=__doc__)
    for field in fields(Chain):
        name = f"--{field.name.replace('_', '-')}"
        parser.add_argument(name, type=float, default=field.default, metavar="N")
    return parser


if __name__ == "__main__":
    main()
