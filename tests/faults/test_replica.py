"""A replica for reads: it is used while it is measured to be up to date, and never missed."""

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit
from urllib.request import HTTPCookieProcessor, build_opener
from uuid import uuid4

import psutil
import pytest
from django.contrib.auth.hashers import make_password

from benchmarks.stampede.servers import AppServer
from booking_site.http.middleware import RECENT_WRITE
from tests.faults.customers import Customer, Purchase, call, new_show
from tests.faults.servers import LONG_TIMEOUTS, Database, Servers, until
from tests.faults.standby import Standby, asynchronous_standby
from tests.web import RawConnection

UNMEASURED = "tests.sabotage.unmeasured_replica"
METRICS_TOKEN = "for-the-tests-of-a-replica-only-0123456789"
PASSWORD = "four lions at the gate"
SEAT_MAPS = """
    SELECT count(*) FROM pg_stat_activity
     WHERE query LIKE '%string_agg%' AND pid <> pg_backend_pid()
"""

MEASURED = """
    SELECT true FROM pg_stat_activity
     WHERE query LIKE '%%pg_read_all_stats%%' AND pid <> pg_backend_pid() AND query_start > %s
"""

Serve = Callable[..., AbstractContextManager[AppServer]]


@pytest.fixture(scope="module")
def module_replica(package_servers: Servers) -> Iterator[Standby]:
    with asynchronous_standby(package_servers) as standby:
        yield standby


@pytest.fixture
def replica(servers: Servers, module_replica: Standby) -> Iterator[Standby]:
    """A replica, which has everything when the test begins."""
    yield module_replica
    delay(module_replica, "0")
    catch_up(module_replica)


@pytest.fixture
def serve(servers: Servers) -> Serve:
    """Start a web server with a replica until the block ends."""

    @contextmanager
    def start(replica_url: str, *, until_state: str = "ok", **options: str) -> Iterator[AppServer]:
        app = servers.server(REPLICA_URL=replica_url, **options)
        app.start()
        try:
            app.wait()
            until(lambda: state_of(app) == until_state, what=f"the replica is {until_state}")
            yield app
        finally:
            app.stop()

    return start


def state_of(app: AppServer) -> str:
    answer = call(app, "GET", "/readyz")
    assert answer.status == 200
    return str(json.loads(answer.body)["replica"])


def is_booked(app: AppServer, purchase: Purchase) -> bool:
    """Return whether the seat map has the seats as booked, for a caller without a token."""
    (status,) = {seat["status"] for seat in read(app, f"shows/{purchase.show_id}/seats")}
    return bool(status == "booked")


def read(app: AppServer, path: str, *, customer: Customer | None = None) -> Any:
    answer = call(app, "GET", f"/api/{path}", customer=customer)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def metric(app: AppServer, name: str) -> float:
    with closing(RawConnection(app.port)) as raw:
        headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
        text = raw.call("GET", "/metrics", headers=headers).body.decode()
    (value,) = re.findall(rf"^{name}(?:{{.*}})? (.+)$", text, re.MULTILINE)
    return float(value)


def delay(replica: Standby, time: str) -> None:
    replica.database.do(f"ALTER SYSTEM SET recovery_min_apply_delay = '{time}'")
    replica.database.do("SELECT pg_reload_conf()")


def catch_up(replica: Standby) -> None:
    position = replica.servers.database.ask("SELECT pg_current_wal_flush_lsn()")
    until(
        lambda: replica.database.ask("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", position),
        what="the replica has everything",
    )


def test_a_replica_that_is_up_to_date_answers_readers_without_a_token(replica, serve, new_purchase):
    purchase = new_purchase()
    with serve(replica.database.url) as app:
        read(app, f"shows/{purchase.show_id}/seats", customer=purchase.customer)
        assert replica.database.ask(SEAT_MAPS) == 0
        until(
            lambda: not is_booked(app, purchase) and replica.database.ask(SEAT_MAPS),
            what="the replica has sent a seat map",
        )


def test_a_replica_that_is_ten_seconds_behind_is_not_read(replica, serve, new_purchase):
    purchase = new_purchase()
    with serve(replica.database.url, METRICS_TOKEN=METRICS_TOKEN) as app:
        delay(replica, "10s")
        assert purchase.send(app).status == 201
        until(lambda: state_of(app) == "lagging", what="the replica lags")
        fallbacks = metric(app, "booking_replica_fallbacks_total")
        assert is_booked(app, purchase)
        assert metric(app, "booking_replica_fallbacks_total") == fallbacks + 1
        assert metric(app, "booking_replica_lag_seconds") > 1
        assert purchase.show_id in [show["id"] for show in read(app, "shows?page_size=500")]
        # And it is read again once it has caught up.
        delay(replica, "0")
        until(lambda: state_of(app) == "ok", what="the replica has caught up")
        assert is_booked(app, purchase)


def test_without_the_measurement_its_readers_see_old_seats(replica, serve, new_purchase):
    """Guards the test above: if this one fails, that one proves nothing."""
    purchase = new_purchase()
    with serve(replica.database.url, wsgi=UNMEASURED) as app:
        delay(replica, "10min")
        assert purchase.send(app).status == 201
        assert not is_booked(app, purchase)


def test_callers_who_may_have_written_and_those_who_synchronize_read_the_primary(
    database, replica, serve, new_purchase
):
    """Even if the replica were thought to be up to date."""
    purchase = new_purchase()
    with serve(replica.database.url, wsgi=UNMEASURED) as app:
        delay(replica, "10min")
        assert purchase.send(app).status == 201
        new_id, _ = new_show(database, seats=1)
        seats, shows = f"shows/{purchase.show_id}/seats", "shows?page_size=500"
        invalid = Customer(0, "of.another.system")
        for caller in (purchase.customer, invalid):
            assert {seat["status"] for seat in read(app, seats, customer=caller)} == {"booked"}
            assert new_id in ids(read(app, shows, customer=caller))
        assert new_id not in ids(read(app, shows))
        assert new_id in ids(read(app, f"{shows}&updated_since=2020-01-01T00:00:00Z"))
        assert read(app, f"shows/{new_id}")["id"] == new_id


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


def test_staff_who_have_just_written_see_it_in_their_reports(database, replica, serve):
    browser = Browser(new_administrator(database))
    lag = {"REPLICA_MAX_LAG_MS": "60000"}  # so that the cookie outlives the test
    with serve(replica.database.url, wsgi=UNMEASURED, **lag) as app:
        delay(replica, "10min")
        title = new_past_show(database)
        browser.log_in(app)  # a write
        assert title in browser.get(app, "/admin/reports/")
        browser.forget(RECENT_WRITE)  # as browsers do when it has expired
        assert title not in browser.get(app, "/admin/reports/")


class Browser:
    """A browser of staff, with cookies."""

    def __init__(self, email: str) -> None:
        self._email = email
        self._cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self._cookies))

    def get(self, app: AppServer, path: str, form: dict[str, str] | None = None) -> str:
        data = urlencode(form).encode() if form else None
        with self._opener.open(f"{app.url}{path}", data) as response:
            return str(response.read().decode())

    def log_in(self, app: AppServer) -> None:
        page = self.get(app, "/admin/login/")
        (token,) = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page))
        form = {"csrfmiddlewaretoken": token, "username": self._email, "password": PASSWORD}
        assert "/admin/logout/" in self.get(app, "/admin/login/?next=/admin/", form)

    def forget(self, name: str) -> None:
        (cookie,) = [cookie for cookie in self._cookies if cookie.name == name]
        self._cookies.clear(cookie.domain, cookie.path, name)


def new_administrator(database: Database) -> str:
    email = f"{uuid4().hex}@example.com"
    database.do(
        "INSERT INTO users (name, email, password_hash, token_version, is_staff, is_superuser)"
        " VALUES ('Ada', %s, %s, 1, true, true)",
        email,
        make_password(PASSWORD),
    )
    return email


def new_past_show(database: Database) -> str:
    """Create a show that began an hour ago; return the title of its movie."""
    show_id, _ = new_show(database, seats=1)
    title = f"Report {uuid4().hex}"
    database.do(
        "WITH movie AS (INSERT INTO movies (title) VALUES (%s) RETURNING id)"
        " UPDATE shows SET movie_id = movie.id, start_time = now() - interval '1 hour'"
        " FROM movie WHERE shows.id = %s",
        title,
        show_id,
    )
    return title


@contextmanager
def frozen(replica: Standby) -> Iterator[None]:
    postgres = psutil.Process(replica.process.process.pid)
    processes = [postgres, *postgres.children()]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def test_a_frozen_replica_delays_no_reader(replica, serve, new_purchase):
    purchase = new_purchase()
    with serve(replica.database.url, **LONG_TIMEOUTS) as app:
        assert not is_booked(app, purchase)
        with frozen(replica):
            # A connection of the tests stops waiting before the site's own limits.
            assert not is_booked(app, purchase)
            assert purchase.send(app).status == 201
            until(lambda: state_of(app) == "unreachable", what="the replica does not respond")
            assert is_booked(app, purchase)
        until(lambda: state_of(app) == "ok", what="the replica responds again")
        assert is_booked(app, purchase)


def test_no_request_waits_for_the_measurement_of_a_frozen_replica(replica, serve, new_purchase):
    """The measurement needs a connection to the primary only while it asks the primary."""
    purchase = new_purchase()
    pool = {"DATABASE_POOL_MAX": "1", "DATABASE_POOL_TIMEOUT_SECONDS": "0.3"}
    with serve(replica.database.url, WEB_THREADS="1", **pool) as app, frozen(replica):
        until(lambda: state_of(app) == "unreachable", what="the replica does not respond")
        for _ in range(20):
            assert not is_booked(app, purchase)


def test_the_primary_answers_while_the_replica_is_down(replica, serve, new_purchase):
    purchase = new_purchase()
    with serve(replica.database.url) as app:
        assert not is_booked(app, purchase)
        replica.end()
        assert not is_booked(app, purchase)
        assert purchase.send(app).status == 201
        until(lambda: state_of(app) == "unreachable", what="the replica does not respond")
        assert is_booked(app, purchase)
        replica.process = replica.process.start_again()
        until(lambda: state_of(app) == "ok", what="the replica responds again")
        assert is_booked(app, purchase)


def test_a_replica_that_was_promoted_is_not_read(servers, serve, new_purchase):
    purchase = new_purchase()
    with asynchronous_standby(servers) as promoted, serve(promoted.database.url) as app:
        promoted.database.do("SELECT pg_promote()")
        until(lambda: state_of(app) == "not_a_standby", what="the replica is promoted")
        assert purchase.send(app).status == 201
        assert is_booked(app, purchase)


def test_a_replica_of_the_former_primary_is_not_read(servers, replica, serve, new_purchase):
    """It may have replayed more than the new primary has written, but something else."""
    purchase = new_purchase()
    with asynchronous_standby(servers) as promoted:
        catch_up(promoted)
        promoted.database.do("SELECT pg_promote()")
        until(
            lambda: not promoted.database.ask("SELECT pg_is_in_recovery()"),
            what="the standby is promoted",
        )
        with serve(
            replica.database.url, until_state="lagging", DATABASE_URL=promoted.database.url
        ) as app:
            assert purchase.send(servers.second).status == 201  # on the former primary
            servers.database.do("SELECT pg_switch_wal()")
            new_show(servers.database, seats=1)
            catch_up(replica)
            ahead = "SELECT pg_last_wal_replay_lsn() > %s::pg_lsn"
            written = promoted.database.ask("SELECT pg_current_wal_flush_lsn()")
            assert replica.database.ask(ahead, written)
            measure(replica)
            assert state_of(app) == "lagging"
            assert not is_booked(app, purchase)


def test_a_standby_that_was_not_measured_is_not_read(servers, replica, serve, new_purchase):
    """What was measured on one of several standbys proves nothing about the others."""
    purchase = new_purchase()
    with asynchronous_standby(servers) as late:
        delay(late, "10min")
        with serve(either(replica, late), DATABASE_POOL_MIN="8", DATABASE_POOL_MAX="8") as app:
            assert purchase.send(app).status == 201
            catch_up(replica)
            wait_for_the_bound(replica)
            until(
                lambda: is_booked(app, purchase) and replica.database.ask(SEAT_MAPS),
                what="the replica that is up to date has sent a seat map",
            )
            assert all(is_booked(app, purchase) for _ in range(50))


def either(first: Standby, second: Standby) -> str:
    """Return an address that leads to one of the standbys, at random for each connection."""
    url = urlsplit(first.database.url)
    others = urlsplit(second.database.url)
    query = {
        "user": url.username,
        "password": url.password,
        "host": f"{url.hostname},{others.hostname}",
        "port": f"{url.port},{others.port}",
        "load_balance_hosts": "random",
    }
    return f"postgres://{url.path}?{urlencode(query)}"


def test_a_replica_that_is_cut_off_is_not_read(replica, serve, new_purchase):
    """Although it has all that was written before."""
    purchase = new_purchase()
    with serve(replica.database.url) as app:
        address = replica.database.ask("SELECT quote_literal(current_setting('primary_conninfo'))")
        follow(replica, "'host=127.0.0.1 port=1'")
        until(lambda: state_of(app) == "not_streaming", what="the replica is cut off")
        assert purchase.send(app).status == 201
        assert is_booked(app, purchase)
        follow(replica, address)
        until(lambda: state_of(app) == "ok", what="the replica receives again")


def wait_for_the_bound(replica: Standby) -> None:
    """Wait until the last write is older than REPLICA_MAX_LAG_MS."""
    until(
        lambda: replica.database.ask(
            "SELECT clock_timestamp() - pg_last_xact_replay_timestamp() > interval '2 s'"
        ),
        what="nothing was written for longer than REPLICA_MAX_LAG_MS",
    )


def follow(replica: Standby, address: str) -> None:
    replica.database.do(f"ALTER SYSTEM SET primary_conninfo = {address}")
    replica.database.do("SELECT pg_reload_conf()")


def test_a_replica_does_not_lag_while_nothing_is_written(replica, serve, new_purchase):
    purchase = new_purchase()
    with serve(replica.database.url) as app:
        wait_for_the_bound(replica)
        measure(replica)
        assert state_of(app) == "ok"
        assert not is_booked(app, purchase)


def test_a_database_of_another_cluster_is_not_read(serve, new_purchase):
    purchase = new_purchase()
    with serve(os.environ["DATABASE_URL"], until_state="other_cluster") as app:
        assert not is_booked(app, purchase)


def test_the_role_of_the_replica_must_see_what_it_receives(database, replica, serve, new_purchase):
    role = f"reader_{uuid4().hex}"
    database.do(f"CREATE ROLE {role} LOGIN PASSWORD '{role}' IN ROLE pg_read_all_data")
    catch_up(replica)
    url = urlsplit(replica.database.url)
    reader = urlunsplit(url._replace(netloc=f"{role}:{role}@127.0.0.1:{url.port}"))
    with serve(reader, until_state="no_rights") as app:
        database.do(f"GRANT pg_read_all_stats TO {role}")
        until(lambda: state_of(app) == "ok", what="the replica is measured")
    database.do(f"DROP ROLE {role}")


def measure(replica: Standby) -> None:
    """Return after the web server has measured the replica, and evaluated the result."""
    for _ in range(2):
        now = replica.database.ask("SELECT clock_timestamp()")
        until(lambda now=now: replica.database.ask(MEASURED, now), what="it is measured")
