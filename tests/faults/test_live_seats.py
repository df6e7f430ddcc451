"""Faults of Redis and PostgreSQL delay live seats, and end no stream."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.customers import new_show
from tests.faults.servers import Servers, until
from tests.streams import LiveServer, live_server

OUTAGE = "Redis does not respond; seat maps are read regularly"
RECOVERY = "Redis responds again"


@pytest.fixture
def live(servers: Servers, tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(tmp_path / "live", **servers.environment) as server:
        yield server


@pytest.fixture
def block(servers: Servers) -> Callable[[int], None]:
    """Block a seat, and send no message."""
    sql = "UPDATE seats SET status = 'blocked', block_reason = 'Broken' WHERE id = %s"
    return lambda seat_id: servers.database.do(sql, seat_id)


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_changes_arrive_without_redis_and_after_it(
    servers: Servers, live: LiveServer, block: Callable[[int], None], fault: int
) -> None:
    show_id, (first, second) = new_show(servers.database, seats=2)
    stream = live.stream(show_id)
    assert stream.start()[1].data == []
    servers.redis.process.send_signal(fault)
    until(lambda: OUTAGE in live.log.read_text(), what="the live process notices")
    block(first)
    assert [seat["id"] for seat in stream.event().data] == [first]
    servers.restore_redis()
    until(lambda: RECOVERY in live.log.read_text(), what="the live process subscribes again")
    block(second)
    assert [seat["id"] for seat in stream.event().data] == [second]
    assert live.log.read_text().count(OUTAGE) == 1


def test_a_stream_outlives_a_crash_of_postgresql(
    servers: Servers, live: LiveServer, block: Callable[[int], None]
) -> None:
    show_id, (seat,) = new_show(servers.database, seats=1)
    stream = live.stream(show_id)
    stream.start()
    servers.crash_postgres()
    until(lambda: "Seat maps cannot be read" in live.log.read_text(), what="a read fails")
    servers.ensure_postgres()
    block(seat)
    assert [each["id"] for each in stream.event().data] == [seat]
