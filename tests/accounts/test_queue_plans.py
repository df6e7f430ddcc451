"""No call of the API reads the whole task queue, however many tasks it has."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django_tasks_db.models import DBTaskResult
from rest_framework.test import APIClient

from accounts.models import User
from bookings.models import Booking
from tests.accounts.conftest import PASSWORD
from tests.bookings.calls import bought
from tests.factories import ShowFactory, make_seats
from tests.query_plans import Statement, reads_of_execution, statements_of

QUEUE = frozenset({DBTaskResult._meta.db_table})
NEW_PASSWORD = "nine newts under stones"

pytestmark = pytest.mark.django_db


@pytest.fixture
def many_tasks() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO django_tasks_database_dbtaskresult
                (id, status, enqueued_at, finished_at, args_kwargs, priority, task_path, worker_ids,
                 queue_name, backend_name, run_after, exception_class_path, traceback)
            SELECT gen_random_uuid(), 'SUCCESSFUL', now(), now(),
                   jsonb_build_object('args', '[]'::jsonb, 'kwargs', CASE n % 3
                       WHEN 0 THEN jsonb_build_object('user_id', -n)
                       WHEN 1 THEN jsonb_build_object('email', 'person' || -n || '@example.com')
                       ELSE jsonb_build_object('booking_ids', jsonb_build_array(-n))
                   END),
                   0, 'tests', '[]', 'default', 'default', now(), '', ''
              FROM generate_series(1, 6000) AS n
            """
        )
        cursor.execute("ANALYZE django_tasks_database_dbtaskresult")


@pytest.mark.usefixtures("many_tasks")
def test_no_call_reads_the_whole_task_queue(
    person: User,
    login: Callable[[User], APIClient],
    call: Callable[..., Any],
) -> None:
    bought(login(person), *make_seats(ShowFactory(), "SS"))
    with statements_of(QUEUE) as statements:
        booking = Booking.objects.earliest("pk")
        client = login(person)
        answers = [
            client.post(f"/api/bookings/{booking.pk}/cancel"),
            client.get("/api/auth/me/export"),
            client.post("/api/auth/email/resend", {}, format="json"),
            call("password/reset", {"email": person.email}),
            client.post(
                "/api/auth/password/change",
                {"current_password": PASSWORD, "new_password": NEW_PASSWORD},
                format="json",
            ),
        ]
        person.refresh_from_db()
        removal = {"password": NEW_PASSWORD}
        answers.append(login(person).delete("/api/auth/me", removal, format="json"))
    assert [answer.status_code for answer in answers] == [200, 200, 202, 202, 204, 204]
    reading = [each for each in statements if not each.text.startswith("INSERT")]
    assert len(reading) >= 8
    assert [whole for each in reading for whole in whole_reads(each)] == []


def whole_reads(statement: Statement) -> set[str]:
    return reads_of_execution(statement, QUEUE, most=100).whole
