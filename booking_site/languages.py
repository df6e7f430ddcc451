"""The languages in which the site addresses customers, and the one that a request asks for.

`make translations` collects the sentences into `booking_site/locale`. Pages for staff, commands,
logs and the API's schema are in English.
"""

from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header

LANGUAGES = [("en", "English"), ("de", "German"), ("fr", "French"), ("es", "Spanish")]
DEFAULT_LANGUAGE = "en"

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    Sentence = StrOrPromise
else:  # a package for type checkers only
    Sentence = str


def requested_language(request: HttpRequest) -> str | None:
    """Return the language that Accept-Language prefers, or None if it names none of ours."""
    header = request.META.get("HTTP_ACCEPT_LANGUAGE", "")
    for tag, quality in parse_accept_lang_header(header) if header else ():
        if tag == "*" or not quality:  # Django ignores that a quality of 0 means "not acceptable"
            return None
        try:
            return translation.get_supported_language_variant(tag)
        except LookupError:
            continue
    return None


def state_language(response: HttpResponse) -> None:
    """Add the Content-Language of a response that contains sentences for customers."""
    response.headers["Content-Language"] = translation.get_language() or DEFAULT_LANGUAGE
