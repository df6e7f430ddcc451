"""RateLimit and RateLimit-Policy, as draft-ietf-httpapi-ratelimit-headers-11 defines them."""

import re
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from tests.factories import ShowFactory, make_seats

pytestmark = pytest.mark.django_db

# A list of strings with parameters: a structured field (RFC 9651).
POLICY = re.compile(r'"([a-z_]+)";q=(\d+);w=(\d+)')
REMAINING = re.compile(r'"([a-z_]+)";r=(\d+);t=(\d+)')
RESET = {"email": "ada@example.com"}


@pytest.fixture
def rates(settings: Any) -> Any:
    def change(**rates: str | None) -> None:
        framework = settings.REST_FRAMEWORK
        settings.REST_FRAMEWORK = {
            **framework,
            "DEFAULT_THROTTLE_RATES": {**framework["DEFAULT_THROTTLE_RATES"], **rates},
        }

    return change


def items(response: Any, header: str, pattern: re.Pattern[str]) -> dict[str, tuple[int, int]]:
    """Return the two numbers of each item, by the name of its policy, in order."""
    found = [pattern.fullmatch(item) for item in response[header].split(", ")]
    assert all(found)
    return {match[1]: (int(match[2]), int(match[3])) for match in found if match}


def policies(response: Any) -> dict[str, tuple[int, int]]:
    return items(response, "RateLimit-Policy", POLICY)


def remaining(response: Any) -> dict[str, int]:
    limits = items(response, "RateLimit", REMAINING)
    windows = policies(response)
    assert all(1 <= seconds <= windows[name][1] for name, (_, seconds) in limits.items())
    return {name: calls for name, (calls, _) in limits.items()}


def test_a_read_reports_what_its_address_has_left(api: APIClient, rates: Any) -> None:
    rates(read="3/day")
    answers = [api.get("/api/movies") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [remaining(answer)["read"] for answer in answers] == [2, 1, 0, 0, 0]
    assert {str(policies(answer)) for answer in answers} == {"{'read': (3, 86400)}"}
    assert remaining(api.get("/api/movies", REMOTE_ADDR="192.0.2.1")) == {"read": 2}


def test_other_answers_report_it_as_well(api: APIClient, rates: Any) -> None:
    rates(read="10/day")
    etag = api.get("/api/movies")["ETag"]
    answers = [
        api.get("/api/movies", HTTP_IF_NONE_MATCH=etag),
        api.head("/api/movies"),
        api.get("/api/movies/1"),
        api.get("/api/movies?page=x"),
    ]
    assert [answer.status_code for answer in answers] == [304, 200, 404, 400]
    assert [remaining(answer)["read"] for answer in answers] == [8, 7, 6, 5]


def test_a_call_with_several_limits_names_each(customer: APIClient, rates: Any) -> None:
    rates(booking="4/min", booking_address="7/hour")
    show = ShowFactory()
    (seat, *_) = make_seats(show, "SS")
    for left in (3, 2):
        answer = customer.post(
            "/api/bookings",
            {"show_id": show.pk, "seat_id": seat.pk},
            format="json",
            HTTP_IDEMPOTENCY_KEY=uuid4().hex,
        )
        assert answer.status_code == (201 if left == 3 else 409)
        assert policies(answer) == {"booking": (4, 60), "booking_address": (7, 3600)}
        assert remaining(answer) == {"booking": left, "booking_address": left + 3}


def test_a_lifted_limit_is_not_reported(api: APIClient, customer: APIClient, rates: Any) -> None:
    rates(read=None, call=None, hold=None)
    answers = [
        api.get("/api/movies"),
        customer.get("/api/auth/me"),
        customer.options("/api/auth/me"),
    ]
    for answer in answers:
        assert "RateLimit" not in answer
        assert "RateLimit-Policy" not in answer
    held = customer.post("/api/holds", {}, format="json")
    assert list(policies(held)) == list(remaining(held)) == ["hold_address"]


def test_time_until_the_next_call_is_that_of_the_oldest(
    api: APIClient, rates: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates(login="2/hour")
    clock = [1_800_000_000.0]
    monkeypatch.setattr("rest_framework.throttling.SimpleRateThrottle.timer", lambda _: clock[0])
    monkeypatch.setattr("accounts.throttling.CLOCK_DIFFERENCE", float("inf"))
    found = []
    for seconds in (0, 600, 600):
        clock[0] += seconds
        answer = api.post("/api/auth/login", {}, format="json")
        found.append((answer.status_code, answer["RateLimit"], answer.get("Retry-After")))
    assert found == [
        (400, '"login";r=1;t=3600', None),
        (400, '"login";r=0;t=3000', None),
        (429, '"login";r=0;t=2400', "2400"),
    ]


def test_nobody_learns_how_many_mails_an_address_was_sent(api: APIClient, rates: Any) -> None:
    rates(mail="2/hour", mail_link="9/hour")
    answers = [api.post("/api/auth/password/reset", RESET, format="json") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert [list(policies(answer)) for answer in answers] == [["mail_link", "mail"]] * 3
    assert [remaining(answer) for answer in answers] == [
        {"mail_link": 8},
        {"mail_link": 7},
        {"mail_link": 6, "mail": 0},
    ]
    limits = items(answers[2], "RateLimit", REMAINING)
    assert int(answers[2]["Retry-After"]) == limits["mail"][1]


def test_callers_learn_how_many_mails_they_can_still_request(
    customer: APIClient, rates: Any
) -> None:
    rates(mail="2/hour")
    answers = [customer.post("/api/auth/email/resend", {}, format="json") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert [remaining(answer)["mail"] for answer in answers] == [1, 0, 0]
