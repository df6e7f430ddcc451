"""Streams of seats through Debian's nginx with deploy/nginx.conf."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache import caches

from benchmarks import nginx
from catalog.models import Seat, SeatStatus
from catalog.seat_changes import CHANNEL
from tests.factories import ShowFactory, make_seats
from tests.streams import LiveServer, Stream, live_server
from tests.web import database_url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveServer]:
    environment = {"NUM_PROXIES": "1", "LIVE_STREAMS_PER_ADDRESS": "1"}
    with live_server(tmp_path / "live", DATABASE_URL=database_url(), **environment) as server:
        yield server


@pytest.fixture
def proxy_port(live: LiveServer, tmp_path: Path) -> Iterator[int]:
    with nginx.serving(f"http://127.0.0.1:{live.port}", log=tmp_path / "nginx.log") as proxy:
        yield proxy.port


def test_events_pass_at_once_and_uncompressed(live: LiveServer, proxy_port: int) -> None:
    seat, *_ = make_seats(ShowFactory(), "S" * 8)
    stream = Stream(proxy_port, seat.show_id, Accept_Encoding="gzip, br")
    live.streams.append(stream)
    assert stream.headers["Content-Encoding"] is None
    assert stream.headers["Content-Type"] == "text/event-stream"
    assert stream.start()[1].data == []
    Seat.objects.filter(pk=seat.pk).update(status=SeatStatus.BLOCKED, block_reason="Broken")
    caches["default"].client.get_client().execute_command("PUBLISH", CHANNEL, seat.show_id)  # type: ignore[attr-defined]
    assert [each["state"] for each in stream.event().data] == ["blocked"]
    assert stream.block() == ":\n"  # the heartbeat passes, too


def test_a_client_cannot_invent_an_address_to_open_more_streams(
    live: LiveServer, proxy_port: int
) -> None:
    seat, *_ = make_seats(ShowFactory(), "S")
    for address, status in (("192.0.2.1", 200), ("192.0.2.2", 429)):
        stream = Stream(proxy_port, seat.show_id, X_Forwarded_For=address)
        live.streams.append(stream)
        assert stream.response.status == status
