"""Fixtures: a show, a clerk of its theatre, and the clerk's browser."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from accounts.roles import ensure_roles
from catalog.models import Show
from tests.factories import ShowFactory, UserFactory, make_seats


@pytest.fixture
def show(db: None) -> Show:
    """Two rows of four seats; the second costs 3.00 more."""
    show = ShowFactory()
    make_seats(show, "SSSS", "PPPP")
    show.seats.filter(row="B").update(price="15.00")
    return show


@pytest.fixture
def clerk(show: Show) -> User:
    ensure_roles()
    clerk = UserFactory(name="Bea Boxoffice", is_staff=True)
    clerk.groups.add(Group.objects.get(name="Box office"))
    show.theatre.staff.add(clerk)
    return clerk


@pytest.fixture
def counter(client: Client, clerk: User) -> Client:
    client.force_login(clerk, backend="django.contrib.auth.backends.ModelBackend")
    return client
