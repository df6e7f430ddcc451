"""What holds for every page of the back office, those of `back_office_rights.txt`."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection, models, transaction
from django.test import Client
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import AuditEntry, User
from bookings.models import Order
from catalog.models import Movie, PriceCard, Screen, Seat, Theatre
from tests.factories import UserFactory
from tests.test_back_office_rights import (
    BACKEND,
    COLUMNS,
    SampleData,
    address,
    answer,
    make_sample,
    rows,
)

ELSEWHERE = ("https://evil.example/", "//evil.example", r"\\evil.example", "javascript:alert(1)")
MARKER = "<i>\"'&raw"
PASSWORD = "four lions at the gate"


@pytest.fixture
def sample(db: None, staff: User) -> SampleData:
    sample = make_sample(1)
    sample.theatre.staff.add(staff)
    return sample


def pages(sample: SampleData) -> Iterator[str]:
    """Yield the address of each page, without and with a search."""
    for row in rows():
        if row.action == "get":
            target = address(row, sample)
            yield target
            yield f"{target}{'&' if '?' in target else '?'}q=person"


def test_each_form_is_refused_without_its_token(staff: User, sample: SampleData) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff, backend=BACKEND)
    addresses = {address(row, sample) for row in rows()}
    answers = {target: client.post(target, HTTP_ACCEPT="text/html") for target in addresses}
    assert len(answers) > 130
    assert {
        target for target, refused in answers.items() if "This form has expired" not in refused.text
    } == set()
    assert {refused.status_code for refused in answers.values()} == {403}


def test_no_page_writes_on_a_get(office: Client, sample: SampleData) -> None:
    for target in pages(sample):  # fills the caches
        office.get(target)
    before = transaction.savepoint()
    with connection.cursor() as cursor:
        # PostgreSQL then refuses every write, and the client raises the error.
        cursor.execute("SET TRANSACTION READ ONLY")
    for target in pages(sample):
        assert office.get(target).status_code < 500
    transaction.savepoint_rollback(before)


def fill_texts(sample: SampleData) -> None:
    """Store the marker in each text that somebody types, or that reaches us from outside."""
    Movie.objects.update(title=f"{MARKER} 1", description=MARKER, genres=[MARKER])
    Theatre.objects.update(name=f"{MARKER} 2", location=MARKER)
    Screen.objects.update(name=f"{MARKER} 3")
    PriceCard.objects.update(name=f"{MARKER} 4")
    Seat.objects.filter(pk=sample.objects["seat"].pk).update(
        section=MARKER, status="blocked", block_reason=MARKER
    )
    Order.objects.update(customer_name=MARKER)
    User.objects.update(name=MARKER)
    Group.objects.update(name=f"{MARKER} 5")
    TOTPDevice.objects.update(name=MARKER)
    AccessAttempt.objects.update(username=MARKER, path_info=MARKER, user_agent=MARKER)
    for entry in AuditEntry.objects.all():
        AuditEntry.objects.filter(pk=entry.pk).update(
            action=MARKER, subject_name=MARKER, reason=MARKER, facts={MARKER: [MARKER, MARKER]}
        )


def test_no_page_contains_a_stored_text_as_html(office: Client, sample: SampleData) -> None:
    fill_texts(sample)
    shown, raw = 0, set()
    for target in pages(sample):
        page = office.get(target.replace("q=person", f"q={MARKER}"))
        if page.headers.get("Content-Type", "").startswith("text/html"):
            shown += "&lt;i&gt;" in page.text
            if "<i>" in page.text:
                raw.add(target)
    assert raw == set()
    assert shown > 100  # or nothing was tested


def test_only_offered_filters_are_accepted(office: Client, sample: SampleData) -> None:
    """Otherwise keys of authenticator apps and hashes of passwords could be read by guessing."""
    accepted, asked = set(), 0
    for model in admin.site._registry:
        for name in texts_of(model):
            target = (
                f"/admin/{model._meta.app_label}/{model._meta.model_name}/?{name}__startswith=a"
            )
            asked += 1
            if office.get(target).status_code != 400:
                accepted.add(target)
    assert accepted == set()
    assert asked > 100
    assert office.get("/admin/otp_totp/totpdevice/?key__startswith=a").status_code == 400
    assert office.get("/admin/accounts/user/?password__startswith=a").status_code == 400
    assert office.get("/admin/accounts/user/?is_active__exact=1").status_code == 400


def texts_of(model: type[models.Model]) -> Iterator[str]:
    """Yield the text columns of the model, and of the models it refers to."""
    for field in model._meta.concrete_fields:
        if isinstance(field, models.CharField | models.TextField):
            yield field.name
        elif field.is_relation:
            yield from (
                f"{field.name}__{other.name}"
                for other in field.related_model._meta.concrete_fields
                if isinstance(other, models.CharField | models.TextField)
            )


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_no_page_redirects_to_another_site(
    office: Client, sample: SampleData, elsewhere: str
) -> None:
    UserFactory(email="boss@example.com", password=PASSWORD, is_staff=True)
    login = {"username": "boss@example.com", "password": PASSWORD, "next": elsewhere}
    answers = [
        Client().post("/admin/login/", login),
        Client().post("/admin/login/", login, query_params={"next": elsewhere}),
        *(office.get(target, {"next": elsewhere}) for target in pages(sample)),
        office.post("/admin/logout/", {"next": elsewhere}),
    ]
    led = {each.headers["Location"] for each in answers if "Location" in each.headers}
    assert len(led) > 10
    assert {target for target in led if not re.match(r"/(?![/\\])|\?", target)} == set()


def test_the_loss_of_the_staff_status_acts_at_once(
    office: Client, staff: User, sample: SampleData
) -> None:
    office.get("/admin/")  # a session in use
    User.objects.filter(pk=staff.pk).update(is_staff=False)
    wrong = []
    for row in rows():
        before = transaction.savepoint()
        found = answer(office, row, sample)
        transaction.savepoint_rollback(before)
        if found != row.own[COLUMNS.index("customer")]:
            wrong.append(f"{row.route} {row.action}: {found}")
    assert wrong == []


def attempt_to_log_in(path: str) -> int:
    sent: dict[str, Any] = {"password": "wrong", "email": "lena@example.com"}
    if path == "/admin/login/":
        sent = {"username": sent["email"], "password": "wrong"}
        return Client().post(path, sent).status_code
    return Client().post(path, sent, content_type="application/json").status_code


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("path", "wrong"), [("/api/auth/login", 401), ("/admin/login/", 200)])
def test_sixteen_logins_at_one_moment_do_not_pass_the_limit(
    race: Any, settings: Any, path: str, wrong: int
) -> None:
    UserFactory(email="lena@example.com", password=PASSWORD)
    answers = race([lambda: attempt_to_log_in(path)] * 16)
    assert set(answers) <= {wrong, 429}
    assert answers.count(wrong) <= settings.AXES_FAILURE_LIMIT
    assert attempt_to_log_in(path) == 429
