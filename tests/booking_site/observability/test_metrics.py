"""The metrics that come from PostgreSQL, and those that remain without it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django_tasks_db.models import DBTaskResult
from prometheus_client.parser import text_string_to_metric_families
from rest_framework.test import APIClient

from accounts.mails import send_password_reset
from booking_site.tasks.outbox import ATTEMPTS
from bookings.models import Order
from tests.booking_site.observability.test_request_log import TOKEN, scrape
from tests.bookings.calls import bought
from tests.factories import ShowFactory, make_seats
from tests.web import RawConnection, web_server


@pytest.mark.django_db
def test_waiting_tasks_and_those_given_up_are_counted(
    api: APIClient, settings: Any, customer: APIClient
) -> None:
    settings.METRICS_TOKEN = TOKEN
    hour = timedelta(hours=1)
    seats = make_seats(ShowFactory(), "SSS")
    for seat in seats:
        bought(customer, seat)
    Order.objects.filter(bookings__seat=seats[0]).update(created_at=Now() - 2 * hour)
    Order.objects.filter(bookings__seat=seats[1]).update(confirmation_attempts=ATTEMPTS)
    for status in ("READY", "RUNNING", "FAILED", "SUCCESSFUL"):
        task = send_password_reset.enqueue(email=f"{status}@example.com")
        DBTaskResult.objects.filter(pk=task.id).update(status=status, enqueued_at=Now() - hour)
    text = api.get("/metrics", HTTP_AUTHORIZATION=f"Bearer {TOKEN}").text
    values = {
        (sample.name, sample.labels.get("status", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["booking_tasks", "waiting"] == 4
    assert values["booking_tasks", "given_up"] == 2
    assert values["booking_queue_age_seconds", ""] >= 7200
    assert values["booking_database_writable", ""] == 1


@pytest.mark.django_db(transaction=True)
def test_a_read_only_database_is_in_the_metrics(api: APIClient, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        text = api.get("/metrics", HTTP_AUTHORIZATION=f"Bearer {TOKEN}").text
    assert "booking_database_writable 0.0" in text
    assert "booking_queue_age_seconds 0.0" in text


def test_without_postgresql_the_metrics_have_what_the_server_counts(tmp_path: Path) -> None:
    own = {
        "DATABASE_URL": "postgres://x:x@127.0.0.1:1/x",
        "DATABASE_POOL_TIMEOUT_SECONDS": "0.2",
        "METRICS_TOKEN": TOKEN,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
    }
    with web_server(tmp_path / "log", **own) as running:
        raw = RawConnection(running.port)
        assert raw.call("GET", "/api/movies").status == 503
        raw.close()
        numbers = scrape(running.port)
    assert numbers["booking_requests_total", "503"] == 1
    assert numbers["booking_database_writable", ""] == 0
    assert ("booking_queue_age_seconds", "") not in numbers
