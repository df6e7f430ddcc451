"""The search field above the menu of the back office."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.roles import ensure_roles
from tests.factories import UserFactory

SEARCH = "/admin/search/"


def test_pages_are_found_by_a_part_of_their_name(office: Client) -> None:
    page = office.get(SEARCH, {"s": " MOV "}).text
    assert 'href="/admin/catalog/movie/"' in page
    assert "/admin/catalog/theatre/" not in page


@pytest.mark.django_db
def test_only_pages_of_the_users_menu_are_found(client: Client) -> None:
    ensure_roles()
    usher = UserFactory(is_staff=True)
    usher.groups.add(Group.objects.get(name="Usher"))
    client.force_login(usher, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(SEARCH, {"s": "o"}).text
    assert "/admin/catalog/show/" in page
    for hidden in ("/admin/box-office/", "/admin/accounts/user/", "/admin/reports/"):
        assert hidden not in page


@pytest.mark.parametrize("query", [{}, {"s": " "}, {"s": "no such page"}, {"s": "\0"}])
def test_nothing_found_is_an_empty_answer(query: dict[str, str], office: Client) -> None:
    answer = office.get(SEARCH, query)
    assert (answer.status_code, answer.text.strip()) == (200, "")
