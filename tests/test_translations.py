"""Everything that customers read is translated, completely and with the same placeholders."""

import io
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.core.mail import EmailMultiAlternatives
from django.test import Client
from django.utils import timezone
from django.utils.translation import trans_real
from rest_framework.test import APIClient

from accounts.mails import NOTICES, notify_owner, send_confirmation, send_password_reset
from accounts.models import User
from booking_site.api import parsing
from booking_site.languages import DEFAULT_LANGUAGE, LANGUAGE_CODES
from booking_site.tasks import email
from bookings import mails
from bookings.models import Booking, Order
from catalog.models import Seat
from tests.bookings.calls import bought
from tests.factories import ScreenFactory, ShowFactory, make_seats
from tests.test_bad_input import CASES, Case

ROOT = Path(__file__).resolve().parent.parent
TRANSLATED = [code for code in LANGUAGE_CODES if code != DEFAULT_LANGUAGE]
# Placeholders, and the tags and names of fields that a translation must not change.
FIXED = re.compile(r"%\(\w+\)[sd]|\{\w+\}|</?\w+>|\b\w+_\w+\b|\bIdempotency-Key\b")

Posted = Callable[[], list[EmailMultiAlternatives]]


def catalog(language: str) -> Catalog:
    path = ROOT / f"booking_site/locale/{language}/LC_MESSAGES/django.po"
    return read_po(io.BytesIO(path.read_bytes()), locale=language)


def forms(text: Any) -> tuple[str, ...]:
    """Return the forms of a text that has a plural, or the only form."""
    return (text,) if isinstance(text, str) else tuple(text)


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_sentence_is_translated_with_its_placeholders(language: str) -> None:
    sentences = [message for message in catalog(language) if message.id]
    assert len(sentences) > 100
    for message in sentences:
        assert not message.fuzzy, message.id
        # All these languages have two forms, like English.
        for source, form in zip(forms(message.id), forms(message.string), strict=True):
            assert form.strip(), message.id
            assert sorted(FIXED.findall(form)) == sorted(FIXED.findall(source)), form


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_compiled_file_has_the_same_translations(language: str) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, catalog(language))
    path = ROOT / f"booking_site/locale/{language}/LC_MESSAGES/django.mo"
    assert path.read_bytes() == compiled.getvalue()


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put brackets around every sentence that Django translates, instead of translating it."""

    def gettext(self: Any, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self: Any, singular: str, plural: str, number: int) -> str:
        return f"⟦{singular if number == 1 else plural}⟧"

    monkeypatch.setattr(trans_real.DjangoTranslation, "gettext", gettext)
    monkeypatch.setattr(trans_real.DjangoTranslation, "ngettext", ngettext)
    parsing._instance_of.cache_clear()  # has sentences that other tests have read
    yield
    parsing._instance_of.cache_clear()


def unmarked(text: str) -> str:
    """Return the text outside the brackets."""
    while text != (text := re.sub(r"⟦[^⟦⟧]*⟧", "", text)):
        pass
    return text


def visible(html: str) -> str:
    html = re.sub(r"<(style|svg|script|title)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"<[^>]*>", " ", html)


def assert_marked(text: str) -> None:
    """Check that nothing outside the brackets looks like a word of a sentence.

    The names in the data of these tests are in capitals.
    """
    rest = re.sub(r"https?://\S+|[\w.-]+@[\w.-]+", "", unmarked(text))
    assert not re.search(r"[a-z]{2}", rest), rest


def sentences(problem: dict[str, Any]) -> Iterator[str]:
    yield from (each for found in problem.get("errors", {}).values() for each in found)
    # The message has the name of the field before each sentence.
    names = sorted(map(re.escape, problem.get("errors", {})), key=len, reverse=True)
    pattern = "|".join(name[:60] for name in names)
    yield re.sub(rf"(^| )({pattern}): ", " ", problem["message"]) if names else problem["message"]


@pytest.mark.django_db
@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_messages_of_bad_input_are_marked_for_translation(
    case: Case, customer: APIClient, show_ids: dict[str, int]
) -> None:
    client = customer if case.token else APIClient()
    headers = dict(case.headers or {})
    kind = headers.pop("Content-Type", "application/json")
    answer = client.generic(
        case.method,
        case.path.format(**show_ids),
        case.body or b"",
        content_type=kind,
        headers=headers,
    )
    if not answer.headers["Content-Type"].startswith("application/problem+json"):
        pytest.fail(f"{answer.status_code} {answer.content[:200]!r}")
    for sentence in sentences(answer.json()):
        assert_marked(sentence)


@pytest.fixture
def show_ids(db: None) -> dict[str, int]:
    show = ShowFactory()
    make_seats(show, "SSSS")
    return {"movie": show.movie_id, "theatre": show.theatre_id, "show": show.pk}


@pytest.fixture
def seats(user: User) -> list[Seat]:
    User.objects.filter(pk=user.pk).update(name="ADA", email_confirmed_at=timezone.now())
    screen = ScreenFactory(name="SCREEN 1", theatre__name="REX", theatre__location="MAIN ST 1")
    starts = timezone.now() + timedelta(days=3)
    ends = starts + timedelta(hours=2)
    show = ShowFactory(
        movie__title="FILM",
        theatre=screen.theatre,
        screen=screen,
        start_time=starts,
        end_time=ends,
        occupied_until=ends,
    )
    return make_seats(show, "SSSSSSSSSSSSSSSS")


@pytest.fixture
def every_mail(
    customer: APIClient,
    user: User,
    seats: list[Seat],
    posted: Posted,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[], list[EmailMultiAlternatives]]:
    """Send each mail to a customer once; fail if a template for mails was left out."""
    settings.SITE_NAME = "KINO"
    settings.CLIENT_URL = "https://example.com"
    settings.DEFAULT_FROM_EMAIL = "kino@example.com"
    rendered = set()
    render = email.render_to_string

    def recorded(name: str, context: Any) -> str:
        rendered.add(name)
        return render(name, context)

    monkeypatch.setattr(email, "render_to_string", recorded)

    def send() -> list[EmailMultiAlternatives]:
        bought(customer, seats[0], seats[1])
        at_counter = sold_at_counter(seats[5], language=user.language)
        sent = posted()
        everything = Booking.objects.exclude(order=at_counter).order_by("pk")
        mails.notify_of_moved_show(seats[0].show, everything)
        sent += posted()
        first, second = (booking.pk for booking in everything)
        customer.post(f"/api/bookings/{first}/cancel")
        sent += posted()
        customer.post(f"/api/bookings/{second}/cancel")
        mails.notify_buyers(mails.show_cancelled, everything)
        for change in NOTICES:
            notify_owner(user, change, former_email="old@example.com")
        send_password_reset.enqueue(email=user.email)
        User.objects.update(email_confirmed_at=None)
        send_confirmation.enqueue(user_id=user.pk)
        return sent + posted()

    yield send
    extending = {
        f"mail/{path.name}"
        for path in (ROOT / "templates/mail").iterdir()
        if '{% extends "mail/base' in path.read_text()
    }
    assert rendered == extending


def sold_at_counter(seat: Seat, *, language: str) -> Order:
    order = Order.objects.create(
        reference="AAAA-AAAA",
        show=seat.show,
        channel="box_office",
        customer_name="CORA",
        customer_email="cora@example.com",
        total="12.00",
        currency="USD",
        confirmation_due_at=timezone.now(),
        language=language,
    )
    Booking.objects.create(show=seat.show, seat=seat, order=order, price=seat.price)
    return order


def parts(message: EmailMultiAlternatives) -> list[str]:
    (html,) = [str(part.content) for part in message.alternatives]
    return [message.subject, message.body, visible(html)]


@pytest.mark.usefixtures("marked")
def test_every_mail_is_marked_for_translation(
    every_mail: Callable[[], list[EmailMultiAlternatives]],
) -> None:
    for message in every_mail():
        for text in parts(message):
            assert_marked(text)


@pytest.mark.parametrize("language", LANGUAGE_CODES)
def test_mails_speak_the_language_of_order_and_account(
    language: str, user: User, every_mail: Callable[[], list[EmailMultiAlternatives]]
) -> None:
    user.language = language
    user.save()
    messages = every_mail()
    assert len(messages) > 10
    others = [catalog(code) for code in TRANSLATED if code != language]
    for message in messages:
        assert message.extra_headers["Content-Language"] == language
        (html,) = [str(part.content) for part in message.alternatives]
        assert f'<html lang="{language}">' in html
        for other in others:
            for sentence in (each for each in other if each.id and isinstance(each.id, str)):
                plain = "%" not in sentence.id and len(sentence.id) > 20
                assert not (plain and sentence.string in message.body), sentence.string


@pytest.mark.django_db
@pytest.mark.usefixtures("marked")
def test_customers_pages_are_marked_for_translation(client: Client) -> None:
    names = {"Movie Booking", "Movie Booking API", "OpenAPI"}
    for path, status in (("/", 200), ("/nothing", 404)):
        page = client.get(path, headers={"accept": "text/html", "x-request-id": "ID"})
        assert page.status_code == status
        text = unmarked(re.sub(r"<code>[^<]*</code>", "", page.text.split("</head>")[1]))
        for line in visible(text).splitlines():
            assert line.strip() in names or not re.search("[a-z]{2}", line), line


@pytest.mark.usefixtures("marked")
def test_a_printed_ticket_is_marked_for_translation(seats: list[Seat], office: Client) -> None:
    sold_at_counter(seats[0], language="de")
    page = office.get("/admin/box-office/orders/AAAA-AAAA/ticket/").text
    assert_marked(visible(page.split("<main")[1].split("</main>")[0].partition(">")[2]))
