"""Nothing that refers to a removed user contains personal data or gives access."""

import json
from importlib import import_module
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessFailureLog
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core import serializers
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_tasks_db.models import DBTaskResult

from accounts.models import User
from accounts.services import remove_person
from accounts.tokens import issue_tokens
from bookings.integrity.invariants import invariants
from bookings.models import Hold, IdempotencyRecord
from catalog.models import Theatre
from tests.accounts.conftest import PASSWORD
from tests.bookings.calls import bought, held
from tests.factories import ShowFactory, TheatreFactory, UserFactory, make_seats

# Foreign keys to users, and why their rows stay: they name the user by the number only.
STAYING = {
    "accounts.auditentry.actor": "what former staff did",
    "accounts.signin.user": "ended; the worker deletes them later",
    "admin.logentry.user": "never written: the site has its own audit trail",
    "bookings.booking.cancelled_by": "sales records",
    "bookings.booking.user": "sales records",
    "bookings.hold.user": "ended",
    "bookings.order.sold_by": "sales records",
    "bookings.order.user": "sales records",
    "catalog.refusedoverlap.refused_to": "what former staff planned",
}

MIGRATIONS = [
    operation.sql
    for module in (
        "accounts.migrations.0014_removed_users",
        "catalog.migrations.0020_removed_users",
    )
    for operation in import_module(module).Migration.operations
]

pytestmark = pytest.mark.django_db


def foreign_keys() -> dict[str, Any]:
    """Return every foreign key to users by its name, of tables between two models too."""
    return {
        f"{field.model._meta.label_lower}.{field.name}": field
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.concrete_fields
        if field.related_model is User
    }


def rows_of(user: User, field: Any) -> Any:
    return field.model._base_manager.filter(**{field.name: user})


@pytest.fixture
def former_staff(office: Client, login: Any, call: Any) -> User:
    """A former member of staff with rows in every relation that does not stay."""
    user: User = UserFactory(name="Lena Lion", email="lena@first.example", password=PASSWORD)
    seats = make_seats(ShowFactory(), "SSSS")
    bought(login(user), seats[0])
    held(login(user), seats[1])
    TOTPDevice.objects.create(user=user, name="Phone")
    TheatreFactory().staff.add(user)
    user.groups.add(Group.objects.create(name="Usher"))
    user.user_permissions.add(Permission.objects.first())  # type: ignore[arg-type]
    form = {"name": user.name, "email": "lena@second.example", "is_active": "on"}
    form |= {"groups": [str(group.pk) for group in user.groups.all()]}
    page = reverse("admin:accounts_user_change", args=[user.pk])
    assert office.post(page, form).status_code == 302
    user.refresh_from_db()
    assert user.email == "lena@second.example"
    assert call("login", {"email": user.email, "password": PASSWORD}).status_code == 200
    for email in ("lena@first.example", "lena@second.example"):
        call("login", {"email": email, "password": "wrong"})
        call("password/reset", {"email": email})
    issue_tokens(user)
    return user


def test_every_relation_is_removed_or_stays_for_a_reason(former_staff: User) -> None:
    keys = foreign_keys()
    removed = {name: field for name, field in keys.items() if name not in STAYING}
    assert STAYING.keys() < keys.keys()
    present = {name for name, field in removed.items() if rows_of(former_staff, field).exists()}
    assert present == removed.keys()
    remove_person(user_id=former_staff.pk)
    assert [name for name, field in removed.items() if rows_of(former_staff, field).exists()] == []
    for name in STAYING:
        text = serializers.serialize("json", rows_of(former_staff, keys[name]))
        assert "lena" not in text.lower()
    assert not Hold.objects.filter(user=former_staff, ended_at=None).exists()


def test_failed_logins_and_mails_of_former_addresses_are_removed(former_staff: User) -> None:
    assert AccessAttempt.objects.count() == AccessFailureLog.objects.count() == 2
    remove_person(user_id=former_staff.pk)
    assert not AccessAttempt.objects.exists()
    assert not AccessFailureLog.objects.exists()
    assert "lena" not in json.dumps(
        list(DBTaskResult.objects.values_list("args_kwargs", flat=True))
    )


def test_a_former_address_of_another_account_keeps_its_failed_logins(former_staff: User) -> None:
    UserFactory(email="lena@first.example")
    remove_person(user_id=former_staff.pk)
    assert AccessAttempt.objects.get().username == "lena@first.example"


def test_doctor_and_the_migrations_find_what_earlier_removals_left_behind(
    former_staff: User,
) -> None:
    User.objects.filter(pk=former_staff.pk).update(email="deleted-1@invalid")
    Hold.objects.update(ended_at=Now(), end_reason="released")
    IdempotencyRecord.objects.all().delete()
    former_staff.known_addresses.all().delete()
    (invariant,) = [each for each in invariants() if each.name == "removed_users_hold_nothing"]
    colleague = UserFactory(is_staff=True)
    for user in (former_staff, colleague):
        user.groups.set(Group.objects.all())
        user.user_permissions.set(Permission.objects.all()[:1])
        user.theatres.set(Theatre.objects.all()[:1])
    TOTPDevice.objects.create(user=colleague, name="Phone")

    def rows() -> list[int]:
        return [
            person.groups.count()
            + person.user_permissions.count()
            + person.theatres.count()
            + TOTPDevice.objects.filter(user=person).count()
            for person in (former_staff, colleague)
        ]

    with connection.cursor() as cursor:
        found, seen = [], []
        for statement in MIGRATIONS:
            cursor.execute(invariant.sql)
            found.append(cursor.fetchall())
            seen.append(rows())
            cursor.execute(statement)
        cursor.execute(invariant.sql)
        assert cursor.fetchall() == []
    assert seen == [[4, 4], [3, 4], [2, 4], [1, 4]]
    assert found == [[(f"user {former_staff.pk}",)]] * 4
    assert rows() == [0, 4]
