"""The streams of a real live process."""

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.utils import timezone
from rest_framework.test import APIClient

from benchmarks.servers import wait_until
from catalog.models import ArchivedRoom, Seat, SeatStatus, Show
from catalog.seat_changes import CHANNEL
from tests.bookings.calls import bought, end_show, held
from tests.factories import ShowFactory, make_seats
from tests.streams import LiveServer, live_server
from tests.web import database_url

pytestmark = pytest.mark.django_db(transaction=True)

ORIGIN = "http://localhost:5173"


@pytest.fixture(autouse=True)
def live_url(settings: Any) -> None:
    settings.LIVE_URL = "https://live.example"


@pytest.fixture
def seats() -> list[Seat]:
    return make_seats(ShowFactory(), "S" * 8)


@contextmanager
def serving(folder: Path) -> Iterator[LiveServer]:
    limits = {"LIVE_STREAMS_PER_ADDRESS": "3"}
    with live_server(folder / "live", DATABASE_URL=database_url(), **limits) as server:
        yield server


@pytest.fixture(scope="module")
def module_server(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    with serving(tmp_path_factory.mktemp("live")) as server:
        yield server


@pytest.fixture
def live(module_server: LiveServer) -> Iterator[LiveServer]:
    yield module_server
    module_server.close_streams()


def deaf_client(live: LiveServer, show_id: int) -> socket.socket:
    """Open a stream, and read nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(60)
    client.connect(("127.0.0.1", live.port))
    request = f"GET /api/shows/{show_id}/seats/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    client.sendall(request.encode())
    return client


def block_all(show_id: int, blocked: bool) -> None:
    """Block or unblock all seats of the show, and publish it."""
    status = SeatStatus.BLOCKED if blocked else SeatStatus.AVAILABLE
    reason = "Broken" if blocked else ""
    Seat.objects.filter(show_id=show_id).update(status=status, block_reason=reason)
    caches["default"].client.get_client().execute_command("PUBLISH", CHANNEL, show_id)  # type: ignore[attr-defined]


def state(seat: Seat, status: str, name: str) -> dict[str, Any]:
    return {"id": seat.pk, "status": status, "state": name}


def test_changes_arrive_and_a_stream_continues_after_the_last_event(
    live: LiveServer, customer: APIClient, seats: list[Seat]
) -> None:
    show_id = seats[0].show_id
    shown = customer.get(f"/api/shows/{show_id}").json()
    assert shown["seats_events_url"] == f"https://live.example/api/shows/{show_id}/seats/events"

    stream = live.stream(show_id, Origin=ORIGIN)
    assert stream.headers["Content-Type"] == "text/event-stream"
    assert stream.headers["Cache-Control"] == "no-store"
    assert stream.headers["X-Accel-Buffering"] == "no"
    assert stream.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert stream.headers["Content-Encoding"] is None
    assert stream.block() == "retry: 2000\n"
    layout, empty = stream.start()
    polled = APIClient().get(f"/api/shows/{show_id}/seats?fields=status")
    assert layout == ("layout", "", polled["Layout-Fingerprint"])
    assert empty == ("map", polled["ETag"].split('"')[1], [])

    held(customer, seats[0])
    first = stream.event()
    polled = APIClient().get(f"/api/shows/{show_id}/seats?fields=status")
    assert first == (
        *("seats", polled["ETag"].split('"')[1]),
        [state(seats[0], "booked", "held")],
    )
    booked = bought(customer, seats[1])
    assert stream.event().data == [state(seats[1], "booked", "booked")]

    for last, expected in (
        (first.id, ("seats", [state(seats[1], "booked", "booked")])),
        ("0" * 32, ("map", [state(seats[0], "booked", "held"), state(seats[1], *["booked"] * 2)])),
    ):
        again = live.stream(show_id, Last_Event_ID=last)
        event = again.start()[1]
        assert (event.name, event.data) == expected
        again.close()
    current = live.stream(show_id, Last_Event_ID=event.id)
    assert current.start()[1] == ("", event.id, None)

    assert customer.post(f"/api/bookings/{booked['booking']['id']}/cancel").status_code == 200
    for each in (stream, current):
        assert each.event().data == [state(seats[1], "available", "available")]


def test_a_change_without_a_message_arrives_later(live: LiveServer, seats: list[Seat]) -> None:
    """As after a crash between COMMIT and the message."""
    stream = live.stream(seats[0].show_id)
    stream.start()
    Seat.objects.filter(pk=seats[0].pk).update(status=SeatStatus.BLOCKED, block_reason="Broken")
    assert stream.event().data == [state(seats[0], "booked", "blocked")]


def test_messages_that_name_no_show_are_ignored(
    live: LiveServer, customer: APIClient, seats: list[Seat]
) -> None:
    stream = live.stream(seats[0].show_id)
    stream.start()
    redis = caches["default"].client.get_client()  # type: ignore[attr-defined]
    for message in ("", "-1", "x", "1.5", "²", "9" * 5000, b"\xff\x00", "123456789"):
        redis.execute_command("PUBLISH", CHANNEL, message)
    held(customer, seats[0])
    assert stream.event().data == [state(seats[0], "booked", "held")]
    assert "Redis" not in live.log.read_text()


def test_a_quiet_stream_has_heartbeats(live: LiveServer, seats: list[Seat]) -> None:
    stream = live.stream(seats[0].show_id)
    stream.start()
    assert stream.block() == ":\n"


def test_refusals_are_problem_documents_for_other_origins(
    live: LiveServer, seats: list[Seat]
) -> None:
    show_id = seats[0].show_id
    for method, path, status, code in (
        ("GET", "/api/shows/999999/seats/events", 404, "show_not_found"),
        ("GET", f"/api/shows/{show_id}/seats/events?since=5", 400, "validation_failed"),
        ("POST", f"/api/shows/{show_id}/seats/events", 405, "method_not_allowed"),
        ("GET", f"/api/shows/{show_id}/seats", 404, "not_found"),
        ("GET", "/admin/", 404, "not_found"),
    ):
        connection = HTTPConnection("127.0.0.1", live.port, timeout=60)
        connection.request(method, path, headers={"Origin": ORIGIN})
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())["code"]) == (status, code)
        if path.startswith("/api/"):
            assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        connection.close()


def test_other_methods_of_reading_end_at_once(live: LiveServer, seats: list[Seat]) -> None:
    with closing(HTTPConnection("127.0.0.1", live.port, timeout=60)) as connection:
        for method, status in (("HEAD", 200), ("OPTIONS", 204), ("HEAD", 200)):
            connection.request(method, f"/api/shows/{seats[0].show_id}/seats/events")
            response = connection.getresponse()
            assert (response.status, response.read()) == (status, b"")


def test_an_address_has_a_limited_number_of_streams(live: LiveServer, seats: list[Seat]) -> None:
    show_id = seats[0].show_id
    streams = [live.stream(show_id) for _ in range(3)]
    refused = live.stream(show_id, Origin=ORIGIN)
    assert refused.response.status == 429
    assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert json.loads(refused.response.read())["code"] == "too_many_streams"
    streams.pop().close()
    while (again := live.stream(show_id)).response.status == 429:  # until the end is noticed
        again.close()
    assert again.start()[1].name == "map"


def test_a_listener_that_does_not_read_delays_no_other(live: LiveServer) -> None:
    """It skips versions, and gets what it has missed."""
    seats = make_seats(ShowFactory(), *["S" * 30] * 10)
    show_id = seats[0].show_id
    block_all(show_id, True)
    slow = deaf_client(live, show_id)
    quick = live.stream(show_id)
    _, seat_map = quick.start()
    assert len(seat_map.data) == 300
    for blocked in (False, True) * 40:
        block_all(show_id, blocked)
        event = quick.event()
        assert len(event.data) == 300
    received = b""
    with closing(slow):
        while f"id: {event.id}\n".encode() not in received.split(b"event: ")[-1]:
            received += slow.recv(1 << 16)
    assert received.count(b"event: seats") < 80


def test_a_show_that_is_removed_ends_its_streams(live: LiveServer, seats: list[Seat]) -> None:
    show = seats[0].show
    stream = live.stream(show.pk)
    stream.start()
    Show.objects.filter(pk=show.pk).update(status="planned")
    assert stream.event() == ("end", "", {})
    assert stream.block() == ""
    assert live.stream(show.pk).response.status == 404


def test_a_show_that_is_public_again_has_streams_again(live: LiveServer) -> None:
    """Also while a client that does not read has not received the end of its stream."""
    show = ShowFactory()
    make_seats(show, *["S" * 30] * 26)
    with closing(deaf_client(live, show.pk)):
        stream = live.stream(show.pk)
        stream.start()
        for blocked in (True, False) * 60:
            block_all(show.pk, blocked)
            stream.event()
        Show.objects.filter(pk=show.pk).update(status="planned")
        assert stream.event().name == "end"
        Show.objects.filter(pk=show.pk).update(status="open")
        again = live.stream(show.pk)
        again.start()
        block_all(show.pk, True)
        assert again.event().name == "seats"


def test_a_map_that_cannot_be_read_for_a_while_ends_no_stream(
    live: LiveServer, seats: list[Seat]
) -> None:
    show = seats[0].show
    stream = live.stream(show.pk)
    stream.start()
    start = timezone.now() - timedelta(hours=1)
    end = start + timedelta(hours=9)
    Show.objects.filter(pk=show.pk).update(start_time=start, end_time=end, occupied_until=None)
    values = {"layout": "A  SS", "has_positions": False, "seat_ids": [], "seats_hash": 1}
    room = ArchivedRoom.objects.create(show=show, prices=[], block_reasons=[], **values)
    block_all(show.pk, True)
    wait_until(lambda: "cannot be read" in live.log.read_text(), what="A read fails")
    room.delete()
    assert len(stream.event().data) == len(seats)


def test_the_stream_of_a_show_that_is_over_only_ends(live: LiveServer, seats: list[Seat]) -> None:
    show = seats[0].show
    stream = live.stream(show.pk)
    stream.start()
    end_show(show)
    assert stream.event() == ("end", "", {})
    again = live.stream(show.pk, Origin=ORIGIN)
    assert again.response.status == 200
    assert again.headers["Access-Control-Allow-Origin"] == ORIGIN
    # A client that ignores the event reconnects once an hour.
    assert again.response.read() == b"event: end\ndata: {}\nretry: 3600000\n\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_streams_end_when_the_process_stops(tmp_path: Path, seats: list[Seat], number: int) -> None:
    with serving(tmp_path) as live:
        streams = [live.stream(seats[0].show_id) for _ in range(3)]
        for stream in streams:
            stream.start()
        live.process.send_signal(number)
        for stream in streams:
            while (block := stream.block()) == ":\n":
                pass
            assert 1000 <= int(block.removeprefix("retry: ")) <= 10_000
            assert stream.block() == ""
        assert live.process.wait(timeout=60) == 0
