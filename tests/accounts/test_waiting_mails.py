"""Staff see that mails wait, and can have them sent now."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult
from rest_framework.test import APIClient

from accounts.mails import send_password_reset
from accounts.models import AuditEntry, User
from accounts.roles import ensure_roles
from booking_site.tasks.worker import Worker
from bookings.models import Order
from tests.bookings.calls import bought
from tests.factories import ShowFactory, UserFactory, make_seats

pytestmark = pytest.mark.django_db

PAGES = ("admin:index", "admin:django_tasks_database_dbtaskresult_changelist")
SEND_NOW = "admin:send_waiting_mails"


@pytest.fixture
def _late(customer: APIClient) -> None:
    """A mail of each outbox that has failed, became due an hour ago, and waits for its retry."""
    bought(customer, make_seats(ShowFactory(), "S")[0])
    send_password_reset.enqueue(email="lena@example.com")
    hour = timedelta(hours=1)
    DBTaskResult.objects.update(enqueued_at=Now() - hour, run_after=Now() + hour)
    Order.objects.update(
        created_at=Now() - hour, confirmation_due_at=Now() + hour, confirmation_attempts=7
    )


def reported(client: Client, page: str) -> tuple[int, bool] | None:
    """Return how many mails the page reports as waiting, and whether it has the button."""
    response = client.get(reverse(page))
    found = response.context["waiting_mails"]
    has_button = f'action="{reverse(SEND_NOW)}"' in response.text and "Send now" in response.text
    return (found["count"], has_button) if found else None


@pytest.mark.usefixtures("_late")
@pytest.mark.parametrize("page", PAGES)
def test_waiting_mails_are_reported_and_can_be_sent_now(office: Client, page: str) -> None:
    worker = Worker()
    assert not worker.do_next()
    assert reported(office, page) == (2, True)
    office.post(reverse(SEND_NOW))
    while worker.do_next():
        pass
    assert Order.objects.get().confirmation_sent_at
    assert DBTaskResult.objects.get().status == TaskResultStatus.SUCCESSFUL
    assert reported(office, page) is None


@pytest.mark.parametrize("page", PAGES)
def test_mails_that_have_just_become_due_are_not_reported(office: Client, page: str) -> None:
    send_password_reset.enqueue(email="lena@example.com")
    assert reported(office, page) is None


@pytest.mark.usefixtures("_late")
def test_sending_now_is_audited(office: Client, staff: User) -> None:
    office.post(reverse(SEND_NOW))
    (entry,) = AuditEntry.objects.all()
    assert (entry.actor, entry.action, entry.facts) == (staff, "waiting_mails_sent", {"mails": 2})


@pytest.mark.usefixtures("_late")
@pytest.mark.parametrize(
    ("role", "shown"), [("Usher", None), ("Box office", None), ("Manager", (2, True))]
)
def test_only_staff_who_may_change_tasks_can_send_now(
    client: Client, role: str, shown: tuple[int, bool] | None
) -> None:
    ensure_roles()
    person = UserFactory(is_staff=True)
    person.groups.add(Group.objects.get(name=role))
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    assert reported(client, "admin:index") == shown
    assert client.post(reverse(SEND_NOW)).status_code == (302 if shown else 403)
    assert DBTaskResult.objects.filter(run_after__lte=Now()).exists() == bool(shown)


@pytest.mark.usefixtures("_late")
def test_a_mail_given_up_is_not_sent_now(office: Client) -> None:
    DBTaskResult.objects.update(status=TaskResultStatus.FAILED)
    Order.objects.update(confirmation_attempts=60)
    office.post(reverse(SEND_NOW))
    assert not Worker().do_next()
