"""`manage.py run_site`, the site of `make run`."""

import json
import os
import subprocess
import sys
from contextlib import closing
from functools import partial
from http.client import HTTPConnection, HTTPResponse

import psutil
import pytest

from benchmarks.servers import free_port, is_ready, wait_until
from bookings.models import Booking
from tests.factories import SeatFactory, UserFactory
from tests.web import ROOT, database_url

pytestmark = pytest.mark.django_db(transaction=True)

# A site, a worker and a live process start at once, perhaps on a machine with other work.
PATIENCE_SECONDS = 300


def get(port: int, path: str, **headers: str) -> HTTPResponse:
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)) as connection:
        connection.request("GET", path, headers={"Connection": "close", **headers})
        return connection.getresponse()


def test_live_seats_are_served_on_the_next_port_and_end_with_the_site():
    seat = SeatFactory(status="booked")
    Booking.objects.create(user=UserFactory(), show=seat.show, seat=seat)  # or it would be seeded
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run_site", f"--port={port}"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url(), "EMAIL_URL": "dummymail://"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for each, what in ((port, "The site"), (port + 1, "The live process")):
            wait_until(partial(is_ready, each), what=what, seconds=PATIENCE_SECONDS)
        show = f"/api/shows/{seat.show_id}"
        with get(port, show) as response:
            events = json.load(response)["seats_events_url"]
        assert events == f"http://127.0.0.1:{port + 1}{show}/seats/events"
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", "localhost:5173"):
            page = f"http://{host}"
            with get(port + 1, f"{show}/seats/events", Origin=page) as stream:
                assert stream.status == 200
                assert stream.headers["Access-Control-Allow-Origin"] == page
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        process.wait(timeout=PATIENCE_SECONDS)
        assert psutil.wait_procs(children, timeout=PATIENCE_SECONDS)[1] == []
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_SECONDS)
