"""The languages in which the site addresses customers, and the one that a request asks for.

`make translations` collects the sentences into `booking_site/locale`. Pages for staff, commands,
logs and the API's schema are in English.
"""

from typing import TYPE_CHECKING

from babel import Locale
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.utils.translation.trans_real import parse_accept_lang_header

LANGUAGES = [("en", "English"), ("de", "German"), ("fr", "French"), ("es", "Spanish")]
LANGUAGE_CODES = [code for code, _ in LANGUAGES]
DEFAULT_LANGUAGE = "en"

# Sentences that booking_site/locale translates itself: the German of Django REST framework is
# informal, Django's about passwords not idiomatic, and its Spanish about a limit wrong by one.
REPLACED_SENTENCES = (
    gettext_lazy("Ensure this field has no more than {max_length} characters."),
    gettext_lazy("Ensure this field has at least {min_length} characters."),
    gettext_lazy("Ensure this value is less than or equal to {max_value}."),
    gettext_lazy("Ensure this value is greater than or equal to {min_value}."),
    gettext_lazy("Enter a valid email address."),
    gettext_lazy("This password is too common."),
    gettext_lazy("This password is entirely numeric."),
    ngettext_lazy(
        "Ensure this value has at most %(limit_value)d character (it has %(show_value)d).",
        "Ensure this value has at most %(limit_value)d characters (it has %(show_value)d).",
        "limit_value",
    ),
)

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


def babel_locale() -> Locale:
    """Return the locale of dates and amounts in the active language."""
    language = translation.get_language() or DEFAULT_LANGUAGE
    # Days before months, and 24 hours.
    return Locale.parse("en_GB" if language == "en" else language)


def set_content_language(response: HttpResponse) -> None:
    """Add the Content-Language of a response that contains sentences for customers."""
    response.headers["Content-Language"] = translation.get_language() or DEFAULT_LANGUAGE
