"""The language of an answer: which one a request gets, and what depends on it."""

import pytest
from django.http import HttpRequest
from django.utils import translation
from rest_framework.test import APIClient

from booking_site.languages import requested_language

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
