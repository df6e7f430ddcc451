"""Shared fixtures: clients, races, mails and clean caches."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.core import mail
from django.core.cache import caches
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck, settings
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tokens import issue_tokens
from booking_site.tasks.worker import Worker
from tests.factories import UserFactory

# No test depends on speed, so that none fails on a busy machine.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def clean_caches() -> Iterator[None]:
    """Leave nothing in Redis for the next test."""
    yield
    for cache in caches.all():
        cache.clear()


@pytest.fixture
def api() -> APIClient:
    """A client without a token."""
    return APIClient()


@pytest.fixture
def user(db: None) -> User:
    return UserFactory()


@pytest.fixture
def login() -> Callable[[User], APIClient]:
    """Make a client that sends the user's token."""

    def make(user: User) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_tokens(user).access}")
        return client

    return make


@pytest.fixture
def customer(user: User, login: Callable[[User], APIClient]) -> APIClient:
    """A client that sends the token of the `user` fixture."""
    return login(user)


@pytest.fixture
def race() -> Callable[[Sequence[Callable[[], Any]]], list[Any]]:
    """Call functions at the same moment, each on its own database connection.

    Return for each, in order, its value or the exception it raised. Needs
    django_db(transaction=True): other connections see committed rows only.
    """

    def run(contenders: Sequence[Callable[[], Any]]) -> list[Any]:
        start_line = Barrier(len(contenders), timeout=15)

        def enter(contender: Callable[[], Any]) -> Any:
            try:
                connection.ensure_connection()  # connect first, so all start together
                start_line.wait()
                return contender()
            except Exception as error:
                return error
            finally:
                connection.close()  # else the test database cannot be dropped

        with ThreadPoolExecutor(len(contenders)) as pool:
            return list(pool.map(enter, contenders))

    return run


@pytest.fixture
def staff(db: None) -> User:
    """An administrator."""
    return UserFactory(name="Ada Admin", is_staff=True, is_superuser=True)


@pytest.fixture
def office(client: Client, staff: User) -> Client:
    """A browser in which `staff` is logged in to the back office."""
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def posted(db: None) -> Callable[[], list[EmailMultiAlternatives]]:
    """Let a worker run everything that is due, and return the mails that it has sent."""

    def work() -> list[EmailMultiAlternatives]:
        mail.outbox.clear()
        worker = Worker()
        while worker.do_next():
            pass
        return list(mail.outbox)

    return work
