"""What the TypeScript client promises, against a real server and real faults."""

import json

import pytest
from django.db import transaction

from accounts.models import SignIn, User
from accounts.tokens import issue_tokens
from benchmarks.servers import UNLIMITED, free_port
from bookings.models import Booking, Order
from catalog.models import Seat, SeatStatus
from tests.clients.conftest import stored
from tests.clients.proxy import faulty_proxy
from tests.factories import MovieFactory, ShowFactory, UserFactory, make_seats
from tests.web import database_url, web_server

pytestmark = pytest.mark.django_db(transaction=True)

BOOKINGS = "/api/bookings"
REFRESH = "/api/auth/refresh"
ME = "/api/auth/me"
BUY = "const receipt = await client.buy(given.purchase); return receipt.order.reference;"
# The client refreshes a token that the API refuses.
UNUSABLE = "not-a-token"


@pytest.fixture
def seats() -> list[Seat]:
    return make_seats(ShowFactory(), "SSSS")


def purchase_of(*seats: Seat) -> dict[str, object]:
    return {"show_id": seats[0].show_id, "seat_ids": [seat.pk for seat in seats]}


def test_the_example_buys_two_seats_side_by_side(run, proxy):
    make_seats(ShowFactory(), "S.S.S")
    seats = make_seats(ShowFactory(), "SSSS")
    customer = UserFactory(password="popcorn-at-eight")
    example = """
        const { buyTwoSeats } = await import("./dist/examples/buy-two-seats.js");
        const { order } = await buyTwoSeats(given.url, given.credentials);
        return order.reference;
    """
    credentials = {"email": customer.email, "password": "popcorn-at-eight"}
    reference = run(example, credentials=credentials).result()
    numbers = sorted(
        Booking.objects.filter(
            order__reference=reference, order__user=customer, show=seats[0].show
        ).values_list("seat__number", flat=True)
    )
    assert len(numbers) == 2
    assert numbers[1] == numbers[0] + 1


@pytest.mark.parametrize("fault", ["lose", "cut", "hang"])
def test_a_purchase_whose_response_is_lost_is_repeated_with_the_same_key(
    run, proxy, user, seats, fault
):
    proxy.break_next(BOOKINGS, fault)
    reference = run(BUY, user=user, purchase=purchase_of(*seats[:2]), timeout_ms=2000).result()
    first, second = proxy.of(BOOKINGS)
    assert (first.status, second.status) == (201, 201)
    assert first.key == second.key
    assert first.body == second.body
    assert Order.objects.get().reference == reference


def test_a_purchase_is_repeated_while_its_seats_are_locked(run, proxy, user, seats):
    tokens = stored(issue_tokens(user))
    with transaction.atomic():
        Seat.objects.select_for_update().get(pk=seats[0].pk)
        running = run(BUY, tokens=tokens, purchase=purchase_of(seats[0]))
        proxy.wait_for(BOOKINGS, 503)
    assert running.result() == Order.objects.get().reference
    busy, *_, done = proxy.of(BOOKINGS)
    assert b'"busy"' in busy.body
    assert busy.key == done.key


def test_a_purchase_is_repeated_while_its_key_is_in_progress(run, proxy, user, seats):
    tokens = stored(issue_tokens(user))
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        running = run(BUY, tokens=tokens, purchase=purchase_of(seats[0]))
        proxy.wait_for(BOOKINGS, 409)
    assert running.result() == Order.objects.get().reference
    in_progress, *_, done = proxy.of(BOOKINGS)
    assert b'"idempotency_key_in_progress"' in in_progress.body
    assert in_progress.key == done.key


def test_a_throttled_purchase_waits_and_is_repeated(run, user, tmp_path):
    seats = make_seats(ShowFactory(), "S" * 20)
    limits = UNLIMITED | {"THROTTLE_BOOKING": "1/s"}
    script = """
        const statuses = [];
        const counting = new Client({
          baseUrl: given.url, storage,
          fetch: async (request) => {
            const response = await fetch(request);
            statuses.push(response.status);
            return response;
          },
        });
        // Until two purchases come within a second.
        for (const seat_id of given.seats) {
          await counting.buy({ show_id: given.show, seat_id });
          if (statuses.includes(429)) break;
        }
        return statuses.slice(-2);
    """
    with web_server(tmp_path / "log", DATABASE_URL=database_url(), **limits) as server:
        url = f"http://127.0.0.1:{server.port}"
        facts = {"show": seats[0].show_id, "seats": [seat.pk for seat in seats]}
        assert run(script, user=user, **facts | {"url": url}).result() == [429, 201]


def test_a_response_with_a_long_wait_is_returned_at_once(run, user, seats, tmp_path):
    script = """
        await client.buy({ show_id: given.show, seat_id: given.seats[0] });
        return failure(client.buy({ show_id: given.show, seat_id: given.seats[1] }));
    """
    limits = UNLIMITED | {"THROTTLE_BOOKING": "1/hour"}
    with (
        web_server(tmp_path / "log", DATABASE_URL=database_url(), **limits) as server,
        faulty_proxy(server.port) as proxy,
    ):
        facts = {"show": seats[0].show_id, "seats": [seat.pk for seat in seats]}
        assert run(script, user=user, **facts | {"url": proxy.url}).result() == "throttled"
        assert [each.status for each in proxy.of(BOOKINGS)] == [201, 429]


def test_repetitions_are_bounded_and_the_key_can_be_used_again(run, proxy, user, seats):
    proxy.break_next(BOOKINGS, "lose", times=5)
    script = """
        const options = { idempotencyKey: "one-purchase" };
        const error = await failure(client.buy(given.purchase, options));
        const receipt = await client.buy(given.purchase, options);
        return [error, receipt.order.reference];
    """
    error, reference = run(script, user=user, purchase=purchase_of(seats[0])).result()
    assert error == "NoResponseError"
    assert [each.key for each in proxy.of(BOOKINGS)] == ["one-purchase"] * 6
    assert Order.objects.get().reference == reference


def test_every_purchase_has_its_own_key(run, proxy, user, seats):
    script = """
        for (const seat_id of given.seats) await client.buy({ show_id: given.show, seat_id });
    """
    run(script, user=user, show=seats[0].show_id, seats=[seat.pk for seat in seats]).outcome()
    assert len({each.key for each in proxy.of(BOOKINGS)}) == 4


def test_a_call_without_a_key_is_not_repeated(run, proxy, user, seats):
    proxy.break_next("/api/holds", "lose")
    script = 'return failure(client.api.POST("/api/holds", { body: given.purchase }));'
    hold = run(script, user=user, purchase=purchase_of(seats[0]))
    assert hold.result() == "NoResponseError"
    assert len(proxy.of("/api/holds")) == 1


def test_a_read_is_repeated(run, proxy, user):
    proxy.break_next(ME, "lose")
    script = 'return (await client.api.GET("/api/auth/me")).data.id;'
    assert run(script, user=user).result() == user.pk
    assert len(proxy.of(ME)) == 2


@pytest.mark.parametrize(
    ("path", "call"),
    [
        (BOOKINGS, "aborting.buy(given.purchase, { signal })"),
        (
            "/api/auth/login",
            'aborting.login({ email: "x@example.com", password: "x" }, { signal })',
        ),
    ],
)
def test_an_aborted_call_is_not_repeated(run, proxy, user, seats, path, call):
    proxy.break_next(path, "lose", times=5)
    script = f"""
        const abort = new AbortController();
        const {{ signal }} = abort;
        const aborting = new Client({{
          baseUrl: given.url, storage,
          fetch: (request) => fetch(request).finally(() => abort.abort()),
        }});
        return failure({call});
    """
    assert run(script, user=user, purchase=purchase_of(seats[0])).result() == "AbortError"
    assert len(proxy.of(path)) == 1


def test_calls_share_one_refresh(run, proxy, user):
    tokens = issue_tokens(user)
    script = """
        const calls = [1, 2, 3].map(() => client.api.GET("/api/auth/me"));
        return (await Promise.all(calls)).map((call) => call.data.id);
    """
    outcome = run(script, tokens=stored(tokens, token=UNUSABLE)).outcome()
    assert outcome["result"] == [user.pk] * 3
    assert outcome["ended"] == []
    assert outcome["tokens"]["refresh"] != tokens.refresh
    assert len(proxy.of(REFRESH)) == 1


def test_a_token_is_refreshed_before_it_expires(run, proxy, user, seats):
    """An expired one would not be refused here, but the caller's seats would look like others'."""
    script = """
        await client.buy(given.purchase);
        storage.save({ ...storage.load(), token: "not-a-token", expires_at: Date.now() + 5000 });
        const params = { path: { show_id: given.purchase.show_id } };
        const map = await client.api.GET("/api/shows/{show_id}/seats", { params });
        return map.data.filter((seat) => seat.mine).map((seat) => seat.id);
    """
    assert run(script, user=user, purchase=purchase_of(seats[0])).result() == [seats[0].pk]
    assert len(proxy.of(REFRESH)) == 1


@pytest.mark.parametrize("fault", ["lose", "cut", "hang"])
def test_a_refresh_whose_response_is_lost_is_repeated(run, proxy, user, fault):
    proxy.break_next(REFRESH, fault)
    script = 'return (await client.api.GET("/api/auth/me")).data.id;'
    outcome = run(script, tokens=stored(issue_tokens(user), token=UNUSABLE)).outcome()
    assert (outcome["result"], outcome["ended"]) == (user.pk, [])
    first, second = (json.loads(each.body)["refresh"] for each in proxy.of(REFRESH))
    assert first == second == outcome["tokens"]["refresh"]


def test_a_refused_refresh_ends_the_session(run, proxy, user):
    tokens = issue_tokens(user)
    SignIn.objects.filter(user=user).delete()
    script = """
        const calls = [1, 2].map(() => client.api.GET("/api/auth/me"));
        return (await Promise.all(calls)).map((call) => call.error.code);
    """
    outcome = run(script, tokens=stored(tokens)).outcome()
    assert outcome == {"result": ["token_revoked"] * 2, "ended": ["token_revoked"]}
    assert len(proxy.of(REFRESH)) == 1


def test_a_server_that_is_busy_does_not_end_the_session(run, proxy, user):
    tokens = stored(issue_tokens(user), token=UNUSABLE)
    script = 'return (await client.api.GET("/api/auth/me")).data.id;'
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        running = run(script, tokens=tokens)
        proxy.wait_for(REFRESH, 503)
    outcome = running.outcome()
    assert (outcome["result"], outcome["ended"]) == (user.pk, [])


def test_an_aborted_call_waits_for_no_refresh_and_does_not_abort_it(run, proxy, user):
    script = """
        const abort = new AbortController();
        let refreshed = false;
        const aborting = new Client({
          baseUrl: given.url, storage,
          fetch: async (request) => {
            const response = fetch(request);
            if (request.url.endsWith("/refresh")) {
              abort.abort();
              await response;
              refreshed = true;
            }
            return response;
          },
        });
        const { signal } = abort;
        const impatient = failure(aborting.api.GET("/api/auth/me", { signal }));
        const patient = aborting.api.GET("/api/auth/me");
        return [await impatient, refreshed, (await patient).data.id];
    """
    outcome = run(script, tokens=stored(issue_tokens(user), token=UNUSABLE)).outcome()
    assert outcome["result"] == ["AbortError", False, user.pk]
    assert len(proxy.of(REFRESH)) == 1


def test_logout_ends_the_session_on_the_server_too(run, proxy, user):
    script = 'await client.api.GET("/api/auth/me"); await client.logout();'
    outcome = run(script, user=user).outcome()
    assert outcome["ended"] == []
    assert "tokens" not in outcome
    assert SignIn.objects.get().ended_at is not None


def test_a_session_that_has_ended_on_the_server_can_be_left(run, proxy, user):
    tokens = stored(issue_tokens(user), refresh="expired")
    outcome = run("return failure(client.logout());", tokens=tokens).outcome()
    assert [each.status for each in proxy.of("/api/auth/logout")] == [401]
    assert outcome == {"result": None, "ended": []}


def test_a_logout_in_another_tab_is_reported_once(run, user):
    script = """
        const read = async () => (await client.api.GET("/api/auth/me")).error?.code ?? null;
        const codes = [await read()];
        await new Client({ baseUrl: given.url, storage }).logout();
        return [...codes, await read(), await read()];
    """
    outcome = run(script, user=user).outcome()
    assert outcome["result"] == [None, "not_authenticated", "not_authenticated"]
    assert outcome["ended"] == [None]


@pytest.mark.parametrize(
    "local_storage",
    [
        "get() { throw new DOMException('Blocked', 'SecurityError'); }",
        "value: { getItem: () => null, setItem() { throw new DOMException('Full'); } }",
        "value: { text: '{', getItem() { return this.text; },"
        " setItem(_, text) { this.text = text; }, removeItem() { this.text = null; } }",
    ],
    ids=["blocked", "full", "written by something else"],
)
def test_no_state_of_local_storage_stops_the_client(run, local_storage):
    customer = UserFactory(password="popcorn-at-eight")
    script = f"""
        Object.defineProperty(globalThis, "localStorage", {{ {local_storage} }});
        const client = new Client({{ baseUrl: given.url, storage: browserStorage() }});
        const read = () => client.api.GET("/api/auth/me");
        const before = await read();
        await client.login(given.credentials);
        const during = await read();
        await client.logout();
        return [before.error.code, during.data.id, (await read()).error.code];
    """
    credentials = {"email": customer.email, "password": "popcorn-at-eight"}
    assert run(script, credentials=credentials).result() == [
        "not_authenticated",
        customer.pk,
        "not_authenticated",
    ]


def test_register_and_login_start_a_session(run, proxy):
    script = """
        const credentials = { email: "carla@example.com", password: "popcorn-at-eight" };
        const { id } = await client.register({ name: "Carla Customer", ...credentials });
        await client.logout();
        await client.login(credentials);
        return [id, (await client.api.GET("/api/auth/me")).data.id];
    """
    user_id = User.objects.get(pk=run(script).result()[0]).pk
    assert proxy.of(ME)[0].status == 200
    assert b"%d" % user_id in proxy.of(ME)[0].body


def test_a_guest_buys_without_an_account(run, proxy, seats):
    script = """
        const { id } = await client.guest({ name: "Gus Guest", email: "gus@example.com" });
        await client.buy(given.purchase);
        return id;
    """
    assert run(script, purchase=purchase_of(seats[0])).result() == Order.objects.get().user_id


def test_a_guest_whose_token_is_refused_has_no_session(run, proxy):
    script = """
        await client.guest({ name: "Gus Guest", email: "gus@example.com" });
        storage.save({ ...storage.load(), token: "not-a-token" });
        return (await client.api.GET("/api/auth/me")).error.code;
    """
    outcome = run(script).outcome()
    assert outcome == {"result": "token_invalid", "ended": [None]}
    assert proxy.of(REFRESH) == []


def test_a_registration_whose_response_is_lost_is_repeated_with_the_same_key(run, proxy):
    proxy.break_next("/api/auth/register", "lose")
    script = """
        const credentials = { email: "carla@example.com", password: "popcorn-at-eight" };
        const { id } = await client.register({ name: "Carla Customer", ...credentials });
        return [id, (await client.api.GET("/api/auth/me")).data.id];
    """
    assert run(script).result() == [User.objects.get().pk] * 2
    first, second = proxy.of("/api/auth/register")
    assert first.key == second.key
    assert (first.status, second.status) == (201, 201)


@pytest.mark.parametrize(
    "call",
    [
        "failure(client.login(body))",
        'client.api.POST("/api/auth/login", { body }).then(({ error }) => error.code)',
    ],
)
def test_a_wrong_password_is_a_problem_and_refreshes_no_token(run, proxy, user, call):
    script = f"""
        const body = {{ email: "x@example.com", password: "wrong" }};
        return {call};
    """
    outcome = run(script, tokens=stored(issue_tokens(user), token=UNUSABLE)).outcome()
    assert outcome["result"] == "invalid_credentials"
    assert outcome["tokens"]["token"] == UNUSABLE
    assert len(proxy.of("/api/auth/login")) == 1


def test_a_list_is_read_page_by_page(run, proxy):
    titles = [MovieFactory(title=f"Movie {letter}").title for letter in "ABCDE"]
    MovieFactory(title="Another")
    script = """
        const titles = [];
        const params = { query: { search: "movie", page_size: 2 } };
        for await (const movie of client.list("/api/movies", { params })) titles.push(movie.title);
        return titles;
    """
    assert run(script).result() == titles
    assert len(proxy.of("/api/movies")) == 3


def test_a_problem_has_the_members_of_its_code(run, proxy, user, seats):
    Seat.objects.filter(pk=seats[1].pk).update(status=SeatStatus.BLOCKED)
    script = """
        try {
          await client.buy(given.purchase);
        } catch (error) {
          const { code, seat_ids, message } = error.problem;
          const known = error instanceof ProblemError && error.message === message;
          return { known, code, seat_ids };
        }
    """
    assert run(script, user=user, purchase=purchase_of(*seats)).result() == {
        "known": True,
        "code": "seat_unavailable",
        "seat_ids": [seats[1].pk],
    }


def test_a_response_that_is_not_the_apis_is_an_unknown_problem(run):
    script = """
        const refusal = await client.login(given.credentials).catch((error) => error);
        const { code, status, message } = refusal.problem;
        return [code, status, message !== ""];
    """
    credentials = {"email": "carla@example.com", "password": "popcorn-at-eight"}
    with faulty_proxy(free_port()) as proxy:
        outcome = run(script, url=proxy.url, credentials=credentials)
        assert outcome.result() == ["unknown", 502, True]
