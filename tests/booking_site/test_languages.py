"""The language of an answer: which one a request gets, and what depends on it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from django.core.cache import caches
from django.core.mail import EmailMultiAlternatives
from django.db import IntegrityError
from django.http import HttpRequest
from django.test import Client
from django.utils import translation
from rest_framework.response import Response
from rest_framework.test import APIClient

from accounts.models import User
from booking_site.api.openapi import views
from booking_site.api.problems import GENERAL
from booking_site.languages import LANGUAGE_CODES, requested_language
from bookings.models import Order
from tests.bookings.calls import bought
from tests.factories import ShowFactory, make_seats

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de", "de"),
        ("DE-at", "de"),
        ("es-419, en;q=0.5", "es"),
        ("pl, fr;q=0.4, de;q=0.3", "fr"),
        ("de;q=0.3,\tfr;q=0.301", "fr"),
        ("en-GB, de;q=0.9", "en"),
        ("*", None),
        ("pl", None),
        ("de;q=0", None),
        ("fr;q=0, pl", None),
        ("", None),
        ("de;q=high", None),
        ("d\u00e9, ;;;", None),
        ("x" * 5000, None),
        ("de, " * 2000, "de"),
        ("de, en", "de"),
        ("../../etc/passwd", None),
        ("de-" + "x" * 400, None),
    ],
)
def test_accept_language_names_a_language_by_preference(header: str, language: str | None) -> None:
    request = HttpRequest()
    request.META["HTTP_ACCEPT_LANGUAGE"] = header
    assert requested_language(request) == language


def test_a_request_leaves_no_language_behind(api: APIClient) -> None:
    assert api.get("/api/nothing", headers={"accept-language": "fr"})["Content-Language"] == "fr"
    assert translation.get_language() == "en"
    assert api.get("/api/nothing")["Content-Language"] == "en"


def test_pages_for_developers_and_staff_stay_in_english(api: APIClient, office: Client) -> None:
    german = {"accept-language": "de", "accept": "text/html"}
    for client, path in (
        (api, "/api/docs/errors"),
        (office, "/admin/"),
        (office, "/admin/nothing/"),
        (Client(), "/admin/login/"),
    ):
        page = client.get(path, headers=german)
        assert 'lang="en' in page.text, path
        assert page.headers.get("Content-Language", "en") == "en"
    schemas = []
    for language in ("de", "en"):
        views._documents.clear()  # so that each request generates the schema
        schemas.append(api.get("/api/schema", headers={"accept-language": language}).content)
    assert schemas[0] == schemas[1]


def test_caches_store_a_page_for_each_language(client: Client) -> None:
    page = client.get("/", headers={"accept": "text/html", "accept-language": "es"})
    assert page["Content-Language"] == "es"
    assert '<html lang="es">' in page.text
    assert "Accept-Language" in page["Vary"]


def test_lists_do_not_depend_on_the_language(api: APIClient) -> None:
    ShowFactory()
    answers = [api.get("/api/shows", headers={"accept-language": one}) for one in ("de", "en")]
    assert answers[0].content == answers[1].content
    assert not any("Content-Language" in answer.headers for answer in answers)
    assert not any("Accept-Language" in answer["Vary"] for answer in answers)


PERSON = {"name": "Ada", "email": "ada@example.com", "password": "correct horse battery"}


def test_each_request_gets_limits_of_fields_and_rules_for_passwords_in_its_language(
    api: APIClient,
) -> None:
    for body, name in (
        (PERSON | {"name": "x" * 500}, "name"),
        (PERSON | {"password": "Adaada@example.com"}, "password"),
        (PERSON | {"password": "4815162342"}, "password"),
    ):
        found = set()
        for language in LANGUAGE_CODES:
            headers = {"accept-language": language}
            answer = api.post("/api/auth/register", body, format="json", headers=headers)
            sentences = answer.json()["errors"][name]
            assert "email" not in "".join(sentences)  # the name of a column
            found |= {tuple(sentences)}
        assert len(found) == len(LANGUAGE_CODES), found


@pytest.mark.parametrize(("header", "language"), [("fr-CA", "fr"), ("pl", "en"), ("", "en")])
def test_an_account_has_the_language_of_its_registration(
    api: APIClient, header: str, language: str
) -> None:
    headers = {"accept-language": header}
    assert api.post("/api/auth/register", PERSON, format="json", headers=headers).status_code == 201
    assert User.objects.get().language == language


def test_a_guest_gets_mails_in_the_language_of_the_call(
    api: APIClient, posted: Callable[[], list[EmailMultiAlternatives]]
) -> None:
    (seat,) = make_seats(ShowFactory(), "S")
    guest = {"name": "Ada", "email": "ada@example.com"}
    headers = {"accept-language": "fr"}
    token = api.post("/api/auth/guest", guest, format="json", headers=headers).json()["token"]
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert bought(api, seat)["order"]["language"] == "fr"
    assert [mail.extra_headers["Content-Language"] for mail in posted()] == ["fr"]


def test_a_user_changes_the_language_of_the_account(customer: APIClient, user: User) -> None:
    answer = customer.patch("/api/auth/me", {"language": "es"}, format="json")
    assert (answer.status_code, answer.json()["language"]) == (200, "es")
    user.refresh_from_db()
    assert user.language == "es"
    assert answer.json()["name"] == user.name


@pytest.mark.parametrize("body", [{}, {"language": "pl"}, {"language": None}, {"language": 5}])
def test_a_language_that_the_site_does_not_have_is_refused(
    customer: APIClient, user: User, body: dict[str, object]
) -> None:
    answer = customer.patch("/api/auth/me", body, format="json")
    assert answer.status_code == 400
    assert "language" in answer.json()["errors"]
    assert User.objects.get().language == "en"


def test_an_order_has_the_language_of_the_purchase_and_its_replays(
    customer: APIClient, user: User
) -> None:
    (seat,) = make_seats(ShowFactory(), "S")
    body = {"show_id": seat.show_id, "seat_id": seat.pk}

    def buy(language: str) -> Response:
        headers = {"accept-language": language, "idempotency-key": "k"}
        return customer.post("/api/bookings", body, format="json", headers=headers)

    first, again = buy("fr"), buy("de")
    assert (first.status_code, again["Idempotency-Replayed"]) == (201, "true")
    assert first.content == again.content
    assert first["Content-Language"] == again["Content-Language"] == "fr"
    assert first.json()["order"]["language"] == Order.objects.get().language == "fr"
    caches["idempotency"].clear()  # from PostgreSQL
    assert buy("es")["Content-Language"] == "fr"


def test_without_accept_language_an_order_has_the_language_of_the_buyer(
    customer: APIClient, user: User
) -> None:
    User.objects.update(language="de")
    (seat,) = make_seats(ShowFactory(), "S")
    answer = bought(customer, seat)
    assert answer["order"]["language"] == Order.objects.get().language == "de"


def test_the_database_refuses_an_unknown_language(user: User) -> None:
    with pytest.raises(IntegrityError, match="user_language_known"):
        User.objects.update(language="xx")


def test_simultaneous_requests_each_have_their_language(
    race: Callable[[Sequence[Callable[[], Any]]], list[Any]],
) -> None:
    languages = ["de", "fr", "es", "en"] * 4

    def ask(language: str) -> str:
        client = APIClient()
        client.get("/api/nothing", headers={"accept-language": "fr"})
        answer = client.get("/api/nothing", headers={"accept-language": language})
        expected = GENERAL["not_found"].meaning
        with translation.override(language):
            return answer["Content-Language"] if answer.json()["message"] == expected else "other"

    assert race([partial(ask, language) for language in languages]) == languages
