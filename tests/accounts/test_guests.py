"""POST /api/auth/guest: buying without a password, and accounts that claim a guest's orders."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from rest_framework.response import Response
from rest_framework.test import APIClient

from accounts import guests, links, recovery
from accounts.models import AuditEntry, SignIn, User
from bookings.integrity.invariants import examine
from bookings.models import Booking, Hold, IdempotencyRecord, Order
from catalog.models import Seat
from tests.accounts.conftest import PASSWORD
from tests.bookings.calls import book_seats, bought, elsewhere, held, refusal, start_in, states
from tests.factories import ShowFactory, UserFactory, make_seats

LENA = {"name": "Lena Lion", "email": "lena@example.com"}

pytestmark = pytest.mark.django_db


def as_guest(**changes: str) -> APIClient:
    """Return the client of a new guest."""
    client = APIClient()
    answer = client.post("/api/auth/guest", LENA | changes, format="json")
    assert answer.status_code == 201, answer.content
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['token']}")
    return client


def guest_of(client: APIClient) -> User:
    return User.objects.get(pk=client.get("/api/auth/me").json()["id"])


def claim(client: APIClient, guest: User, token: str | None = None) -> Response:
    token = token or links.claim_tokens.make_token(guest)
    body = {"uid": str(guest.pk), "token": token}
    return client.post("/api/auth/guest/claim", body, format="json")


def is_sound() -> bool:
    return not [finding.invariant.name for finding in examine() if finding.is_violation]


@pytest.fixture
def seats() -> list[Seat]:
    return make_seats(ShowFactory(), "SSSSSSSS")


@pytest.fixture
def account(login: Callable[[User], APIClient]) -> APIClient:
    return login(UserFactory(name="Leo", email="leo@example.com"))


def test_a_guest_gets_a_token_for_an_address() -> None:
    answer = APIClient().post(
        "/api/auth/guest", LENA | {"email": "LENA@example.com"}, format="json"
    )
    body = answer.json()
    assert answer.status_code == 201
    assert list(body) == ["id", "name", "email", "token", "expires_in"]
    assert (body["name"], body["email"]) == ("Lena Lion", "lena@example.com")
    guest = User.objects.get(pk=body["id"])
    assert (guest.email, guest.contact_email) == (f"guest-{guest.pk}@invalid", "lena@example.com")
    assert not guest.has_usable_password()
    assert answer["Cache-Control"] == "no-store"


def test_a_guest_holds_buys_and_cancels_even_if_addresses_must_be_confirmed(
    seats: list[Seat], settings: Any
) -> None:
    settings.EMAIL_CONFIRMATION_REQUIRED = True
    client = as_guest()
    hold_id = held(client, *seats[:2])["id"]
    purchase = client.post(
        "/api/bookings", {"hold_id": hold_id}, format="json", HTTP_IDEMPOTENCY_KEY="a"
    )
    assert purchase.status_code == 201
    reference = bought(client, seats[3])["order"]["reference"]
    assert client.post(f"/api/orders/{reference}/cancel").status_code == 200
    assert len(client.get("/api/orders").json()) == 2
    assert states(*seats[:4]) == ["booked", "booked", "available", "available"]
    assert is_sound()


def test_guests_with_one_address_see_nothing_of_each_other(seats: list[Seat]) -> None:
    first, second = as_guest(), as_guest()
    order = bought(first, seats[0])
    for path in ("/api/orders", "/api/bookings", "/api/holds"):
        assert second.get(path).json() == []
    assert second.get(f"/api/orders/{order['order']['reference']}").status_code == 404
    export = second.get("/api/auth/me/export").json()
    assert (export["orders"], export["bookings"], export["box_office_orders"]) == ([], [], [])


def test_creating_a_guest_does_not_reveal_an_account(person: User, call: Any) -> None:
    assert as_guest(email=person.email).get("/api/auth/me").json()["email"] == person.email
    as_guest(email="nobody@example.com")
    body = {"name": "N", "email": "nobody@example.com", "password": PASSWORD}
    assert call("register", body).status_code == 201


@pytest.mark.parametrize("email", ["lena@example.com", "guest-1@invalid"])
def test_a_guest_has_no_password(call: Any, email: str, posted: Any) -> None:
    client = as_guest()
    login = call("login", {"email": email, "password": "!"})
    assert login.status_code == (401 if "." in email else 400)
    call("password/reset", {"email": email})
    change = {"current_password": "!", "new_password": PASSWORD}
    answer = client.post("/api/auth/password/change", change, format="json")
    assert refusal(answer) == (400, "password_wrong")
    client.post("/api/auth/email/resend", {}, format="json")
    assert posted() == []


def test_a_guest_reads_renames_exports_and_removes_themselves(seats: list[Seat]) -> None:
    client = as_guest()
    me = client.get("/api/auth/me").json()
    assert (me["email"], me["is_guest"]) == ("lena@example.com", True)
    assert client.patch("/api/auth/me", {"name": "L."}, format="json").json()["name"] == "L."
    bought(client, seats[0])
    export = client.get("/api/auth/me/export").json()
    assert (export["profile"]["email"], len(export["orders"])) == ("lena@example.com", 1)
    wrong = client.delete("/api/auth/me", {"password": "a guess"}, format="json")
    assert refusal(wrong) == (400, "password_wrong")
    assert client.delete("/api/auth/me", {}, format="json").status_code == 204
    gone = User.objects.get()
    assert (gone.name, gone.contact_email, gone.is_removed) == ("", None, True)
    assert refusal(client.get("/api/auth/me")) == (401, "token_revoked")


def test_an_account_is_not_removed_without_its_password(account: APIClient) -> None:
    refused = account.delete("/api/auth/me", {}, format="json")
    assert refusal(refused) == (400, "password_wrong")
    assert list(refused.json()["errors"]) == ["password"]


def test_the_confirmation_goes_to_the_guest_without_a_name_and_with_a_link(
    seats: list[Seat], posted: Any, account: APIClient, settings: Any
) -> None:
    settings.CLIENT_URL = "https://cinema.example/"
    client = as_guest()
    bought(client, *seats[:2])
    (mail,) = posted()
    assert mail.to == ["lena@example.com"]
    (html,) = [part.content for part in mail.alternatives]
    assert "Lion" not in mail.body + html
    (link,) = re.findall(r"https://\S+", mail.body)
    assert link.startswith("https://cinema.example/claim-orders?")
    assert link.replace("&", "&amp;") in html
    body = {name: value for name, (value,) in parse_qs(urlsplit(link).query).items()}
    answer = account.post("/api/auth/guest/claim", body, format="json")
    assert answer.status_code == 204
    assert len(account.get("/api/orders").json()) == 1


def test_an_account_gets_no_link_to_claim(seats: list[Seat], posted: Any, account: Any) -> None:
    bought(account, seats[0])
    assert "claim-orders" not in posted()[0].body


def test_a_claim_moves_everything_and_closes_the_guest(
    seats: list[Seat], account: APIClient
) -> None:
    client = as_guest()
    guest = guest_of(client)
    first, second = bought(client, *seats[:2]), bought(client, seats[3])
    client.post(f"/api/bookings/{first['booking']['id']}/cancel")
    held(client, seats[5])
    other = bought(as_guest(), seats[7])
    assert claim(account, guest).status_code == 204
    references = [first["order"]["reference"], second["order"]["reference"]]
    assert [order["reference"] for order in account.get("/api/orders").json()] == references[::-1]
    assert len(account.get("/api/bookings").json()) == 3
    user_id = account.get("/api/auth/me").json()["id"]
    assert set(
        Booking.objects.exclude(order__reference=other["order"]["reference"]).values_list(
            "user_id", flat=True
        )
    ) == {user_id}
    assert Booking.objects.get(cancelled_at__isnull=False).cancelled_by_id == user_id
    assert states(*seats[:6]) == [
        "available",
        "booked",
        "available",
        "booked",
        "available",
        "available",
    ]
    assert refusal(client.get("/api/auth/me")) == (401, "token_revoked")
    guest.refresh_from_db()
    assert (guest.name, guest.contact_email, guest.is_removed) == ("", None, True)
    assert not IdempotencyRecord.objects.filter(user=guest).exists()
    entries = AuditEntry.objects.filter(action="order_claimed")
    assert sorted(entry.subject_name for entry in entries) == sorted(references)
    assert is_sound()
    assert account.post(f"/api/orders/{references[1]}/cancel").status_code == 200


def test_a_link_works_once_and_only_for_its_guest(seats: list[Seat], account: APIClient) -> None:
    guest, other = guest_of(as_guest()), guest_of(as_guest())
    token = links.claim_tokens.make_token(guest)
    assert refusal(claim(account, other, token)) == (400, "link_invalid")
    assert claim(account, guest, token).status_code == 204
    assert refusal(claim(account, guest, token)) == (400, "link_invalid")


@pytest.mark.parametrize(
    "change",
    [
        {"is_active": False},
        {"token_version": F("token_version") + 1},
        {"contact_email": "leo@example.com"},
    ],
    ids=["inactive", "revoked", "another address"],
)
def test_a_link_is_invalid_once_the_guest_has_changed(
    change: dict[str, Any], account: APIClient
) -> None:
    guest = guest_of(as_guest())
    token = links.claim_tokens.make_token(guest)
    User.objects.filter(pk=guest.pk).update(**change)
    assert refusal(claim(account, guest, token)) == (400, "link_invalid")


def test_links_of_other_kinds_claim_nothing(account: APIClient) -> None:
    guest = guest_of(as_guest())
    for tokens in (links.confirmation_tokens, links.reset_tokens):
        answer = claim(account, guest, tokens.make_token(guest))
        assert refusal(answer) == (400, "link_invalid")


def test_an_account_cannot_be_claimed(account: APIClient, person: User) -> None:
    assert refusal(claim(account, person)) == (400, "link_invalid")


def test_a_guest_cannot_claim() -> None:
    client = as_guest()
    assert refusal(claim(client, guest_of(as_guest()))) == (403, "account_needed")
    assert refusal(claim(client, guest_of(client))) == (403, "account_needed")


@pytest.mark.parametrize("by", ["confirming", "resetting"])
def test_proving_the_address_in_an_account_claims_the_orders_of_its_guests(
    seats: list[Seat], person: User, login: Callable[[User], APIClient], call: Any, by: str
) -> None:
    for seat in seats[:2]:
        bought(as_guest(), seat)
    bought(as_guest(email="leo@example.com"), seats[3])
    assert login(person).get("/api/orders").json() == []
    link = {"uid": str(person.pk)}
    if by == "confirming":
        token = links.confirmation_tokens.make_token(person)
        answer = call("email/confirm", link | {"token": token})
    else:
        token = links.reset_tokens.make_token(person)
        answer = call(
            "password/reset/confirm", link | {"token": token, "new_password": "nine newts in mud"}
        )
    assert answer.status_code == 204
    person.refresh_from_db()
    assert len(login(person).get("/api/orders").json()) == 2
    assert User.objects.filter(contact_email__isnull=False).count() == 1
    assert is_sound()


def test_a_known_address_alone_claims_nothing(
    seats: list[Seat], person: User, login: Callable[[User], APIClient], call: Any
) -> None:
    bought(as_guest(), seats[0])
    assert call("login", {"email": person.email, "password": PASSWORD}).status_code == 200
    client = login(person)
    client.post("/api/auth/email/resend", {}, format="json")
    assert client.get("/api/orders").json() == []
    assert client.get("/api/auth/me/export").json()["orders"] == []


@pytest.mark.django_db(transaction=True)
def test_of_two_simultaneous_claims_one_succeeds(
    race: Callable[..., list[Response]], login: Callable[[User], APIClient]
) -> None:
    client = as_guest()
    bought(client, make_seats(ShowFactory(), "SS")[0])
    guest = guest_of(client)
    token = links.claim_tokens.make_token(guest)
    rivals = [login(UserFactory()) for _ in range(4)]
    answers = race([lambda rival=rival: claim(rival, guest, token) for rival in rivals])
    assert sorted(answer.status_code for answer in answers) == [204, 400, 400, 400]
    assert Order.objects.get().user_id != guest.pk
    assert is_sound()


@pytest.mark.django_db(transaction=True)
def test_a_purchase_during_the_claim_is_claimed_or_refused(
    race: Callable[..., list[Response]], login: Callable[[User], APIClient]
) -> None:
    seats = make_seats(ShowFactory(), "SSSSSSSS")
    client, account = as_guest(), login(UserFactory())
    guest = guest_of(client)
    buyers = [lambda seat=seat: book_seats(client, seat) for seat in seats[::2]]
    *bookings, claimed = race([*buyers, lambda: claim(account, guest)])
    assert claimed.status_code == 204
    assert {answer.status_code for answer in bookings} <= {201, 401}
    sold = sum(answer.status_code == 201 for answer in bookings)
    assert not Order.objects.filter(user=guest).exists()
    assert Order.objects.count() == sold
    assert is_sound()


def test_guests_with_one_address_are_limited_without_redis(
    without_redis: None, settings: Any
) -> None:
    rates = {**settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "mail": "2/hour"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    as_guest(), as_guest(email="LENA@example.com")
    refused = APIClient().post("/api/auth/guest", LENA, format="json")
    assert refusal(refused) == (429, "throttled")
    assert int(refused["Retry-After"]) > 3000
    as_guest(email="leo@example.com")
    User.objects.update(created_at=F("created_at") - timedelta(hours=1))
    as_guest()


def test_guests_from_one_network_address_are_limited(settings: Any) -> None:
    rates = {**settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "guest": "2/hour"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    answers = [
        APIClient().post("/api/auth/guest", LENA | {"email": f"a{n}@example.com"}, format="json")
        for n in range(3)
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 429]


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", " "), ("name", "See https://prize.example"), ("email", "lena@invalid"), ("email", 5)],
)
def test_invalid_input_creates_no_guest(field: str, value: object) -> None:
    answer = APIClient().post("/api/auth/guest", {**LENA, field: value}, format="json")
    assert refusal(answer) == (400, "validation_failed")
    assert list(answer.json()["errors"]) == [field]
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        "email = 'lena@home.example'",
        "contact_email = NULL",
        "is_staff = true",
        "is_superuser = true",
    ],
)
def test_the_database_enforces_what_a_guest_is(change: str) -> None:
    as_guest()
    refused = pytest.raises(IntegrityError, match="user_guest_has_contact_email")
    with connection.cursor() as cursor, refused:
        cursor.execute(f"UPDATE users SET {change}")


def test_an_account_cannot_have_the_address_of_a_guest() -> None:
    user = UserFactory()
    with pytest.raises(IntegrityError, match="user_guest_has_contact_email"):
        User.objects.filter(pk=user.pk).update(email=f"guest-{user.pk}@invalid")


def ago(days: float) -> Any:
    return timezone.now() - timedelta(days=days)


def test_guests_who_buy_nothing_are_erased_after_a_week(
    seats: list[Seat], capsys: pytest.CaptureFixture[str]
) -> None:
    abandoned, _, recent = (guest_of(as_guest()) for _ in range(3))
    client = as_guest()
    bought(client, seats[0])
    buyer = guest_of(client)
    user = UserFactory()
    User.objects.exclude(pk=recent.pk).update(created_at=ago(days=7))
    User.objects.filter(pk=recent.pk).update(created_at=ago(days=6.9))
    call_command("delete_old_rows")
    assert "Erased 2 guests without a purchase." in capsys.readouterr().out
    assert set(User.objects.filter(name="").values_list("contact_email", flat=True)) == {None}
    for stays in (buyer, recent, user):
        assert User.objects.get(pk=stays.pk).name
    abandoned.refresh_from_db()
    assert abandoned.is_removed
    assert not SignIn.objects.filter(user=abandoned, ended_at=None).exists()


@pytest.mark.parametrize(("retention", "erased"), [(0, 0), (30, 1)])
def test_guests_are_erased_like_walk_in_customers(
    settings: Any, capsys: pytest.CaptureFixture[str], retention: int, erased: int
) -> None:
    settings.WALK_IN_RETENTION_DAYS = retention
    past, upcoming = make_seats(ShowFactory(), "SSSS"), make_seats(ShowFactory(), "SS")
    old, frequent = as_guest(), as_guest()
    bought(old, past[0])
    bought(frequent, past[2])
    bought(frequent, upcoming[0])
    guest_id = guest_of(old).pk
    start_in(past[0].show, days=-31)
    call_command("erase_walk_in_customers")
    assert f"Erased {erased} guests." in capsys.readouterr().out
    assert User.objects.filter(pk=guest_id, contact_email=None).count() == erased
    assert Order.objects.count() == 3
    assert guest_of(frequent).is_guest


@pytest.mark.django_db(transaction=True)
def test_a_guest_who_buys_while_guests_are_erased_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seats = make_seats(ShowFactory(), "SS")
    client = as_guest()
    User.objects.update(created_at=ago(days=8))
    lock = guests._locked

    def buy_first(**conditions: object) -> Any:
        elsewhere(lambda: bought(client, seats[0]))
        return lock(**conditions)

    monkeypatch.setattr(guests, "_locked", buy_first)
    call_command("delete_old_rows")
    assert "Erased 0 guests" in capsys.readouterr().out
    assert client.get("/api/auth/me").status_code == 200


def test_staff_find_guests_by_their_address(office: Client, seats: list[Seat]) -> None:
    client = as_guest()
    reference = bought(client, seats[0])["order"]["reference"]
    for page in ("accounts_user", "bookings_order", "bookings_booking"):
        found = office.get(reverse(f"admin:{page}_changelist"), {"q": "lena@exam"})
        assert "lena@example.com" in found.content.decode(), page
    counter = office.get(reverse("box-office-order", args=[reference])).content.decode()
    assert "lena@example.com" in counter
    assert "@invalid" not in counter
    listed = office.get(reverse("admin:accounts_user_changelist"), {"access": "guests"})
    assert re.search(r"lena@example\.com.*>\s*Guest\s*<", listed.content.decode(), re.DOTALL)


def test_staff_correct_lock_out_and_remove_guests(
    office: Client, seats: list[Seat], posted: Any
) -> None:
    client = as_guest()
    bought(client, seats[0])
    guest = guest_of(client)
    page = reverse("admin:accounts_user_change", args=[guest.pk])
    shown = office.get(page).content.decode()
    assert "lena@example.com" in shown
    assert "is_staff" not in shown
    form = {
        "name": "Lena",
        "contact_email": "Lena@new.example",
        "is_active": "on",
        "is_staff": "on",
    }
    assert office.post(page, form).status_code == 302
    guest.refresh_from_db()
    assert (guest.contact_email, guest.is_staff) == ("lena@new.example", False)
    changes = AuditEntry.objects.get(action="changed").facts["changes"]
    assert changes == {"name": [], "contact_email": []}
    assert [mail.to for mail in posted()] == [["lena@new.example"]]
    assert office.post(page, form | {"contact_email": ""}).status_code == 200
    password = reverse("admin:auth_user_password_change", args=[guest.pk])
    assert office.get(password).status_code == 404
    del form["is_active"]
    office.post(page, form)
    assert refusal(client.get("/api/auth/me")) == (401, "token_revoked")
    assert office.post(f"/admin/accounts/user/{guest.pk}/remove/").status_code == 302
    guest.refresh_from_db()
    assert (guest.name, guest.contact_email, guest.is_removed) == ("", None, True)


def test_guests_are_sent_no_link_that_confirms_an_address() -> None:
    client = as_guest()
    assert client.post("/api/auth/email/resend", {}, format="json").status_code == 202
    assert not DBTaskResult.objects.exists()


def test_confirming_an_address_claims_nothing_of_inactive_guests(
    seats: list[Seat], person: User
) -> None:
    bought(as_guest(), seats[0])
    User.objects.exclude(pk=person.pk).update(is_active=False)
    token = links.confirmation_tokens.make_token(person)
    recovery.confirm_email(uid=str(person.pk), token=token)
    assert Order.objects.get().user_id != person.pk


def test_holds_of_a_guest_end_with_the_claim(seats: list[Seat], account: APIClient) -> None:
    client = as_guest()
    held(client, seats[0])
    assert claim(account, guest_of(client)).status_code == 204
    assert not Hold.objects.filter(ended_at=None).exists()
    assert states(seats[0]) == ["available"]


def test_holds_of_all_guests_end_before_their_orders_are_locked(
    seats: list[Seat], person: User
) -> None:
    """Staff who cancel a show lock its seats first, then orders."""
    bought(as_guest(), seats[0])
    held(as_guest(), seats[4])
    live_holds: list[int] = []

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if 'FROM "orders"' in sql and "FOR NO KEY UPDATE" in sql:
            live_holds.append(Hold.objects.filter(ended_at=None).count())
        return execute(sql, params, many, context)

    token = links.confirmation_tokens.make_token(person)
    with connection.execute_wrapper(watch):
        recovery.confirm_email(uid=str(person.pk), token=token)
    assert live_holds
    assert set(live_holds) == {0}
