"""The TypeScript client follows the seats of a show, with and without the live process."""

from collections.abc import Iterator

import pytest

from benchmarks.servers import UNLIMITED
from bookings.models import Hold
from catalog.errors import ShowNotFound
from tests.bookings.calls import bought, end_show, held
from tests.clients.proxy import faulty_proxy
from tests.factories import ShowFactory, UserFactory, make_seats
from tests.live import LiveProcess, live_process
from tests.web import database_url, web_server

pytestmark = pytest.mark.django_db(transaction=True)

BOOKINGS = "/api/bookings"
# Returns what the client has yielded up to the time when `given.last` is not available.
WATCH = """
    const yielded = [];
    for await (const { unavailable } of client.watchSeats(given.show)) {
      yielded.push([...unavailable.keys()]);
      if (yielded.length === 1 && given.purchase) await client.buy(given.purchase);
      if (unavailable.has(given.last)) return yielded;
    }
"""


@pytest.fixture(scope="module")
def live(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveProcess]:
    log = tmp_path_factory.mktemp("live") / "log"
    with live_process(log, pages="http://localhost") as live:
        yield live


@pytest.fixture(scope="module")
def site_port(live, tmp_path_factory):
    log = tmp_path_factory.mktemp("site") / "log"
    with web_server(log, DATABASE_URL=database_url(), LIVE_URL=live.url, **UNLIMITED) as server:
        yield server.port


@pytest.fixture
def seats():
    return make_seats(ShowFactory(), "SSSS")


def paths(seats):
    """Return the paths of the seat map and of the stream."""
    path = f"/api/shows/{seats[0].show_id}/seats"
    return path, f"{path}/events"


def purchase_of(*seats):
    return {"show_id": seats[0].show_id, "seat_ids": [seat.pk for seat in seats]}


def test_seats_are_followed_by_the_stream_without_polling(run, proxy, user, seats):
    show, last = seats[0].show_id, seats[1].pk
    watch = run(WATCH, user=user, show=show, last=last, purchase=purchase_of(*seats[:2]))
    # The process ends, so its connection has been closed.
    assert watch.result() == [[], [seats[0].pk, last]]
    assert proxy.of(paths(seats)[0]) == []


def test_a_restart_of_the_live_process_delays_changes_and_repeats_none(
    run, proxy, live, user, seats, login, settings
):
    settings.LIVE_URL = live.url
    first, last, *_ = (seat.pk for seat in seats)
    seat_map, stream = paths(seats)
    watch = run(WATCH, user=user, show=seats[0].show_id, last=last, purchase=purchase_of(seats[0]))
    proxy.wait_for(BOOKINGS, 201)
    live.stop()
    proxy.wait_for(seat_map, 304)
    live.start()
    live.proxy.wait_for(stream, 200, times=2)
    bought(login(UserFactory()), seats[1])
    assert watch.result() == [[], [first], [first, last]]


def test_the_example_holds_a_seat_that_somebody_gives_up(run, live, user, seats, login, settings):
    settings.LIVE_URL = live.url
    other = login(UserFactory())
    hold = held(other, *seats)
    example = """
        const { holdWhenFree } = await import("./dist/examples/hold-when-free.js");
        return (await holdWhenFree(client, given.show, given.seats)).id;
    """
    ids = [seat.pk for seat in seats[:2]]
    waiting = run(example, user=user, show=seats[0].show_id, seats=ids)
    live.proxy.wait_for(paths(seats)[1], 200)
    other.delete(f"/api/holds/{hold['id']}")
    assert Hold.objects.get(pk=waiting.result()).user == user


def test_a_show_that_is_over_ends_the_loop(run, seats):
    end_show(seats[0].show)
    script = f"{WATCH} return 'over';"
    assert run(script, show=seats[0].show_id).result() == "over"


def test_an_unknown_show_is_a_problem(run):
    script = "return failure(client.watchSeats(404404).next());"
    assert run(script).result() == ShowNotFound.code


def test_aborting_ends_the_loop(run, seats):
    script = """
        const abort = new AbortController();
        const watch = client.watchSeats(given.show, { signal: abort.signal });
        await watch.next();
        const next = failure(watch.next());
        abort.abort();
        return next;
    """
    assert run(script, show=seats[0].show_id).result() == "AbortError"


def test_seats_are_polled_with_an_etag_on_a_site_without_live_process(run, seats, login, tmp_path):
    seat_map, _ = paths(seats)
    with (
        web_server(tmp_path / "log", DATABASE_URL=database_url(), **UNLIMITED) as server,
        faulty_proxy(server.port) as proxy,
    ):
        watch = run(WATCH, url=proxy.url, show=seats[0].show_id, last=seats[0].pk)
        proxy.wait_for(seat_map, 304)
        bought(login(UserFactory()), seats[0])
        assert watch.result() == [[], [seats[0].pk]]
