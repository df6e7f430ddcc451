"""Web servers that are stopped, or whose clock is wrong."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings

from benchmarks.stampede.faults import HOUR
from benchmarks.stampede.servers import AppServer
from tests.faults.customers import call, is_replay, new_customer, refusal
from tests.faults.servers import LONG_TIMEOUTS, Servers, until

IN_FLIGHT = 4


def refuses_connections(app: AppServer) -> bool:
    try:
        socket.create_connection(("127.0.0.1", app.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_server_told_to_stop_finishes_its_requests(
    servers, database, new_purchase, in_background
):
    app = servers.server(**LONG_TIMEOUTS)
    app.start()
    app.wait()
    purchases = [new_purchase() for _ in range(IN_FLIGHT)]
    late = new_purchase()
    with database.locked("seats", *(seat for purchase in purchases for seat in purchase.seat_ids)):
        answers = [in_background(purchase, app) for purchase in purchases]
        until(lambda: database.waiting() == IN_FLIGHT, what="all requests are in flight")
        app.process.terminate()
        until(lambda: refuses_connections(app), what="it takes no more connections")
        assert not is_replay(late.send(servers.second))
    assert [is_replay(answer.result()) for answer in answers] == [False] * IN_FLIGHT
    assert app.process.wait(30) == 0


@pytest.fixture(params=[HOUR, -HOUR], ids=["ahead", "behind"], scope="module")
def wrong(request: pytest.FixtureRequest, package_servers: Servers) -> Iterator[AppServer]:
    """An app server whose clock is an hour wrong."""
    app = package_servers.server()
    app.skew_seconds = request.param
    app.start()
    app.wait()
    yield app
    app.stop()


def test_a_wrong_clock_does_not_end_a_hold(wrong, servers, database, new_purchase):
    purchase = new_purchase()
    assert purchase.hold(servers.second).status == 201
    rival = replace(purchase, customer=new_customer(database), key="rival")
    assert refusal(rival.send(wrong)) == (409, "seat_unavailable")
    assert refusal(rival.hold(wrong)) == (409, "seat_unavailable")
    assert not is_replay(purchase.send(wrong))


def test_a_wrong_clock_does_not_prolong_a_hold(wrong, servers, database, new_purchase):
    purchase = new_purchase()
    hold_id = json.loads(purchase.hold(servers.second).body)["id"]
    database.do(
        """
        WITH over AS (UPDATE holds SET expires_at = now() WHERE id = %s RETURNING id)
        UPDATE seats SET held_until = now() FROM over WHERE hold_id = over.id
        """,
        hold_id,
    )
    assert call(wrong, "GET", f"/api/holds/{hold_id}", customer=purchase.customer).status == 404
    rival = replace(purchase, customer=new_customer(database), key="rival")
    assert not is_replay(rival.send(wrong))


def test_a_hold_made_where_the_clock_is_wrong_ends_in_time(wrong, servers, database, new_purchase):
    hold_id = json.loads(new_purchase().hold(wrong).body)["id"]
    left = "SELECT expires_at - clock_timestamp() FROM holds WHERE id = %s"
    assert timedelta() < database.ask(left, hold_id) <= timedelta(minutes=settings.HOLD_MINUTES)
