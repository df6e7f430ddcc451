"""GET /api/auth/me/export: everything about one user, nothing about others."""

import json
import re

import pytest
from rest_framework.test import APIClient

from accounts import services
from accounts.authentication import Caller
from accounts.exports import export_caller
from accounts.models import User
from tests.accounts.conftest import PASSWORD
from tests.bookings.calls import bought, held
from tests.factories import ShowFactory, UserFactory, make_seats

pytestmark = pytest.mark.django_db

SECTIONS = {
    "profile",
    "sign_ins",
    "failed_logins",
    "known_addresses",
    "changes_by_staff",
    "mails",
    "holds",
    "orders",
    "box_office_orders",
    "bookings",
    "idempotency_keys",
    "mails_about_purchases",
}


def exported(client: APIClient):
    answer = client.get("/api/auth/me/export")
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    return answer.json()


def test_a_user_gets_everything_stored_about_them(person, login, call, office, posted):
    seats = make_seats(ShowFactory(), "SSSS")
    client = login(person)
    reference = bought(client, *seats[:2])["order"]["reference"]
    posted()
    client.post(f"/api/orders/{reference}/cancel")
    held(client, seats[2])
    call("login", {"email": "lena@example.com", "password": PASSWORD}, REMOTE_ADDR="203.0.113.7")
    call("login", {"email": "lena@example.com", "password": "wrong"})
    call("password/reset", {"email": "lena@example.com"})
    form = {"name": "Lena L.", "email": "lena@example.com", "is_active": "on"}
    office.post(f"/admin/accounts/user/{person.pk}/change/", form)
    document = exported(client)
    assert document.keys() == SECTIONS
    counts = {name: len(rows) for name, rows in document.items() if name != "profile"}
    assert counts == {
        "sign_ins": 2,
        "failed_logins": 1,
        "known_addresses": 1,
        "changes_by_staff": 1,
        "mails": 1,
        "holds": 1,
        "orders": 1,
        "box_office_orders": 0,
        "bookings": 2,
        "idempotency_keys": 1,
        "mails_about_purchases": 2,
    }
    assert document["profile"]["name"] == "Lena L."
    assert document["mails"][0]["mail"] == "send_password_reset"
    assert document["changes_by_staff"][0]["change"] == "Changed; name"
    about_purchases = [row["mail"] for row in document["mails_about_purchases"]]
    assert about_purchases == ["order_made", "bookings_cancelled"]
    assert document["orders"][0]["status"] == "cancelled"


def test_the_export_does_not_disclose_who_else_tried_to_log_in(person, login, call):
    call(
        "login",
        {"email": "lena@example.com", "password": "wrong"},
        REMOTE_ADDR="192.0.2.66",
        HTTP_USER_AGENT="Rivals/1.0",
    )
    document = exported(login(person))
    assert [row["failures_since_start"] for row in document["failed_logins"]] == [1]
    assert not re.search("192.0.2.66|Rivals", json.dumps(document))


def test_the_export_contains_no_secrets(person, login):
    text = json.dumps(exported(login(person)))
    for secret in (person.password, "token", "password"):
        assert secret not in text


def test_the_export_contains_no_other_user(person, login, office):
    other = UserFactory(name="Leo Lion", email="leo@example.com", password=PASSWORD)
    seats = make_seats(ShowFactory(), "SSSS")
    bought(login(other), *seats[:2])
    held(login(other), seats[2])
    APIClient().post("/api/auth/login", {"email": other.email, "password": "wrong"}, format="json")
    form = {"name": "Leo L.", "email": "leo@example.com", "is_active": "on"}
    office.post(f"/admin/accounts/user/{other.pk}/change/", form)
    document = exported(login(person))
    profile = document.pop("profile")
    assert profile["id"] == person.pk
    assert len(document.pop("sign_ins")) == 1
    assert not any(document.values())


def test_the_number_of_queries_does_not_grow_with_purchases(
    person, login, django_assert_max_num_queries
):
    caller = Caller(id=person.pk, token_version=person.token_version)
    for _ in range(3):
        bought(login(person), *make_seats(ShowFactory(), "SSSS"))
    with django_assert_max_num_queries(15):
        export_caller(caller=caller)


def test_exporting_needs_a_valid_token(person, login):
    client = login(person)
    services.revoke_tokens(user_id=person.pk)
    assert client.get("/api/auth/me/export").json()["code"] == "token_revoked"
    assert APIClient().get("/api/auth/me/export").json()["code"] == "not_authenticated"
    assert User.objects.count() == 1
