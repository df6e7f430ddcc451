"""The search field of the back office's sidebar."""

from django.contrib.auth.models import Group
from django.test import Client

from accounts.roles import ensure_roles
from tests.factories import UserFactory


def test_pages_are_found_by_their_names(office: Client) -> None:
    answer = office.get("/admin/search/", {"s": "OFFICE"})
    assert answer.status_code == 200
    assert [link["title"] for link in answer.context["results"]] == ["Box office"]


def test_nothing_is_found_by_nothing(office: Client) -> None:
    assert office.get("/admin/search/", {"s": " "}).content.strip() == b""


def test_only_what_one_may_open_is_found(client: Client, db: None) -> None:
    ensure_roles()
    user = UserFactory(is_staff=True)
    user.groups.add(Group.objects.get(name="Usher"))
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    found = [
        link["title"]
        for word in ("office", "reports", "week")
        for link in client.get("/admin/search/", {"s": word}).context["results"]
    ]
    assert found == ["Week"]
