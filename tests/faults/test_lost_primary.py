"""A primary that is lost: its standby answers public reads until there is a primary again."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit, urlunsplit

import psutil
import pytest

from benchmarks.stampede.servers import AppServer
from tests.faults.customers import Purchase, call, refusal
from tests.faults.servers import Servers, until
from tests.faults.standby import Standby, asynchronous_standby
from tests.faults.test_replica import catch_up, delay, is_booked, read, state_of

Lose = Callable[[], None]


@pytest.fixture
def standby(servers: Servers) -> Iterator[Standby]:
    with asynchronous_standby(servers) as standby:
        yield standby


@pytest.fixture
def lose(servers: Servers) -> Iterator[dict[str, Lose]]:
    """Ways to lose the primary. At the end of the test it is back."""
    with ExitStack() as stack:

        def freeze() -> None:
            stack.callback(thaw, servers)
            for process in processes(servers):
                process.suspend()

        yield {"killed": servers.crash_postgres, "frozen": freeze}
    servers.ensure_postgres()


def processes(servers: Servers) -> list[psutil.Process]:
    main = psutil.Process(servers.postgres.process.pid)
    return [main, *main.children()]


def thaw(servers: Servers) -> None:
    for process in processes(servers):
        process.send_signal(signal.SIGCONT)


def either(servers: Servers, standby: Standby) -> str:
    """Return the address of whichever of the two is the primary."""
    url, other = urlsplit(servers.database.url), urlsplit(standby.database.url)
    netloc = f"{url.netloc},127.0.0.1:{other.port}"
    return urlunsplit(url._replace(netloc=netloc, query="target_session_attrs=read-write"))


def wait_for_loss(servers: Servers, app: AppServer) -> None:
    log = servers.log_of(app.number)
    until(lambda: "The primary does not respond" in log.read_text(), what="the loss is noticed")


def total(app: AppServer, path: str) -> int:
    return int(call(app, "GET", f"/api/{path}").headers["X-Total-Count"])


@pytest.mark.parametrize("loss", ["killed", "frozen"])
def test_public_reads_continue_until_a_standby_is_promoted(
    loss, lose, servers, standby, serve, new_purchase
):
    sold, wanted = new_purchase(), new_purchase()
    with serve(DATABASE_URL=either(servers, standby), REPLICA_URL=standby.database.url) as app:
        assert sold.send(app).status == 201
        catch_up(standby)
        until(lambda: state_of(app) == "ok", what="the replica is measured")
        lose[loss]()
        wait_for_loss(servers, app)
        show = read(app, f"shows/{sold.show_id}")
        for path in (
            *("movies", "movies?search=heat", f"movies/{show['movie_id']}"),
            *("theatres", f"theatres/{show['theatre_id']}"),
            *("shows", f"movies/{show['movie_id']}/shows", f"theatres/{show['theatre_id']}/shows"),
            *(f"shows/{sold.show_id}/layout", f"shows/{sold.show_id}/seats?fields=status"),
        ):
            assert read(app, path), path
        assert is_booked(app, sold)
        assert not is_booked(app, wanted)
        seats = f"/api/shows/{sold.show_id}/seats"
        assert refusal(call(app, "GET", seats, customer=sold.customer)) == (503, "busy")
        assert refusal(wanted.send(app)) == (503, "busy")
        standby.database.do("SELECT pg_promote()")
        until(lambda: wanted.send(app).status == 201, what="the promoted standby sells")
        until(lambda: sees_booked(app, wanted), what="it answers public reads")
        until(lambda: is_no_standby(app), what="no replica is used")


def sees_booked(app: AppServer, purchase: Purchase) -> bool:
    answer = call(app, "GET", f"/api/shows/{purchase.show_id}/seats")
    return answer.status == 200 and {seat["status"] for seat in json.loads(answer.body)} == {
        "booked"
    }


def is_no_standby(app: AppServer) -> bool:
    return b'"not_a_standby"' in call(app, "GET", "/readyz").body


def test_a_standby_that_lags_is_read_only_while_the_primary_is_lost(
    lose, servers, standby, serve, new_purchase
):
    purchase = new_purchase()
    with serve(REPLICA_URL=standby.database.url) as app:
        delay(standby, "10min")
        new_purchase()  # with a movie
        movies = total(app, "movies")
        assert purchase.send(app).status == 201
        until(lambda: state_of(app) == "lagging", what="the replica lags")
        assert is_booked(app, purchase)
        lose["frozen"]()
        wait_for_loss(servers, app)
        assert not is_booked(app, purchase)
        assert total(app, "movies") == movies - 1
        thaw(servers)
        until(lambda: call(app, "GET", "/readyz").status == 200, what="the primary responds")
        until(lambda: state_of(app) == "lagging", what="the replica is measured")
        assert is_booked(app, purchase)
        assert total(app, "movies") == movies


def test_another_server_than_a_standby_is_not_read_while_the_primary_is_lost(
    lose, servers, standby, serve, new_purchase
):
    purchase = new_purchase()
    with serve(REPLICA_URL=standby.database.url) as app:
        catch_up(standby)
        standby.database.do("SELECT pg_promote()")
        until(lambda: is_no_standby(app), what="the replica is promoted")
        lose["killed"]()
        wait_for_loss(servers, app)
        seats = f"/api/shows/{purchase.show_id}/seats"
        assert refusal(call(app, "GET", seats)) == (503, "busy")
