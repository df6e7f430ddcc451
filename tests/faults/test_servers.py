"""App servers that are told to stop, or do not know the time."""

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
from tests.faults.stage import PATIENT, Stage, until

IN_FLIGHT = 4


def refuses_connections(app: AppServer) -> bool:
    try:
        socket.create_connection(("127.0.0.1", app.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_server_told_to_stop_finishes_its_requests(stage, database, purchase, aside):
    app = stage.server(**PATIENT)
    app.start()
    app.wait()
    wishes = [purchase() for _ in range(IN_FLIGHT)]
    late = purchase()
    with database.locked("seats", *(seat for wish in wishes for seat in wish.seat_ids)):
        answers = [aside(wish, app) for wish in wishes]
        until(lambda: database.waiting() == IN_FLIGHT, what="all requests are in flight")
        app.process.terminate()
        until(lambda: refuses_connections(app), what="it takes no more connections")
        assert not is_replay(late.send(stage.second))
    assert [is_replay(answer.result()) for answer in answers] == [False] * IN_FLIGHT
    assert app.process.wait(30) == 0


@pytest.fixture(params=[HOUR, -HOUR], ids=["ahead", "behind"], scope="module")
def wrong(request: pytest.FixtureRequest, whole_stage: Stage) -> Iterator[AppServer]:
    """An app server whose clock is an hour wrong."""
    app = whole_stage.server()
    app.skew_seconds = request.param
    app.start()
    app.wait()
    yield app
    app.stop()


def test_a_wrong_clock_does_not_end_a_hold(wrong, stage, database, purchase):
    wish = purchase()
    assert wish.hold(stage.second).status == 201
    rival = replace(wish, customer=new_customer(database), key="rival")
    assert refusal(rival.send(wrong)) == (409, "seat_unavailable")
    assert refusal(rival.hold(wrong)) == (409, "seat_unavailable")
    assert not is_replay(wish.send(wrong))


def test_a_wrong_clock_does_not_prolong_a_hold(wrong, stage, database, purchase):
    wish = purchase()
    hold_id = json.loads(wish.hold(stage.second).body)["id"]
    database.do(
        """
        WITH over AS (UPDATE holds SET expires_at = now() WHERE id = %s RETURNING id)
        UPDATE seats SET held_until = now() FROM over WHERE hold_id = over.id
        """,
        hold_id,
    )
    assert call(wrong, "GET", f"/api/holds/{hold_id}", customer=wish.customer).status == 404
    rival = replace(wish, customer=new_customer(database), key="rival")
    assert not is_replay(rival.send(wrong))


def test_a_hold_made_where_the_clock_is_wrong_ends_in_time(wrong, stage, database, purchase):
    hold_id = json.loads(purchase().hold(wrong).body)["id"]
    left = "SELECT expires_at - clock_timestamp() FROM holds WHERE id = %s"
    assert timedelta() < database.ask(left, hold_id) <= timedelta(minutes=settings.HOLD_MINUTES)
