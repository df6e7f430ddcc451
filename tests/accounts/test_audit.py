"""The audit trail."""

from decimal import Decimal

import pytest
from django.db import transaction

from accounts import audit, services
from accounts.models import AuditEntry
from tests.factories import UserFactory


def test_an_entry_records_who_what_when_and_why(db):
    clerk, person = UserFactory(), UserFactory()
    audit.record(
        actor=clerk,
        action="renamed",
        subject=person,
        theatre_id=7,
        reason="A typing error.",
        price=Decimal("12.50"),
    )
    audit.record(actor=None, action="removed", subject=clerk)
    (entry,) = audit.history_of(person)
    assert (entry.actor, entry.action, entry.reason) == (clerk, "renamed", "A typing error.")
    assert (entry.subject_name, entry.theatre_id) == (str(person), 7)
    assert entry.facts == {"price": "12.50"}
    assert entry.at is not None


def test_the_newest_entry_comes_first(db):
    person = UserFactory()
    for action in ("first", "second"):
        audit.record(actor=None, action=action, subject=person)
    assert [entry.action for entry in audit.history_of(person)] == ["second", "first"]


@pytest.mark.django_db(transaction=True)
def test_a_failed_change_leaves_no_entry():
    person = UserFactory()
    with transaction.atomic():
        audit.record(actor=None, action="renamed", subject=person)
        transaction.set_rollback(True)
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_entries_do_not_name_a_removed_user():
    person = UserFactory()
    audit.record(actor=None, action="renamed", subject=person)
    services.remove_person(user_id=person.pk)
    assert set(AuditEntry.objects.values_list("subject_name", flat=True)) == {"Removed user"}


def test_facts_are_shown_as_text(person):
    entry = audit.record(
        actor=None,
        action="show_moved",
        subject=person,
        screen=[None, "Big"],
        seats=["A1 → B2", "A2 → B3"],
        gone=[],
        changes={"price": ["9.00", "9.50"], "new": ["x"], "password": [], "before 2027": "text"},
    )
    assert audit.sentences(entry) == [
        "screen: nothing → Big",
        "seats: A1 → B2, A2 → B3",
        "price: 9.00 → 9.50",
        "new: x",
        "password",
        "before 2027: text",
    ]
