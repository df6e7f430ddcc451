"""An e-mail address has one stored spelling, and a readable one."""

import pytest
from django.core.exceptions import ValidationError

from booking_site.email_address import canonical_email, readable_email


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (" Lena@Example.COM ", "lena@example.com"),
        ("u@bücher.example", "u@xn--bcher-kva.example"),
        ("u@BÜCHER.example", "u@xn--bcher-kva.example"),
        ("u@bu\u0308cher.example", "u@xn--bcher-kva.example"),
        ("u@XN--BCHER-KVA.example", "u@xn--bcher-kva.example"),
        ("u@bücher。example", "u@xn--bcher-kva.example"),
        ("u@\uff45xample.com", "u@example.com"),
        ("u@straße.example", "u@xn--strae-oqa.example"),
        ("\u212aelvin@example.com", "kelvin@example.com"),
        ("u@ab--cd.example", "u@ab--cd.example"),
    ],
)
def test_every_spelling_of_an_address_is_stored_alike(typed, stored):
    assert canonical_email(typed) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "lena",
        "@example.com",
        "lena@",
        "lena@invalid",
        f"{'l' * 64}@{'e' * 63}.{'n' * 63}.{'a' * 56}.example",  # 255 characters
        "jürgen@example.com",
        "\u017fue@example.com",
        "İlker@example.com",
        "lena@😀.example",
        "lena@xn--a.example",
        "lena@a..bücher.example",
        "lena@bücher.example.",
        f"lena@{'ü' * 60_000}.example",
    ],
)
def test_an_address_without_a_canonical_spelling_is_invalid(typed):
    with pytest.raises(ValidationError):
        canonical_email(typed)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("u@xn--bcher-kva.example", "u@bücher.example"),
        ("u@xn--strae-oqa.example", "u@straße.example"),
        ("u@xn--a.example", "u@xn--a.example"),
        ("xn--u@example.com", "xn--u@example.com"),
        ("", ""),
    ],
)
def test_a_domain_is_shown_in_its_own_script(stored, shown):
    assert readable_email(stored) == shown
