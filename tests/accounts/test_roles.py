"""Staff roles, and the demo users."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from accounts import roles
from accounts.models import User
from accounts.roles import ROLES, UnknownPermissions, ensure_roles
from demo.accounts import DEMO_ACCOUNTS, make_demo_accounts
from tests.factories import UserFactory


@pytest.fixture
def allowed(db):
    """Return the permissions of a member of staff with this role."""
    ensure_roles()

    def ask(role):
        user = UserFactory(is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        return user.get_all_permissions()

    return ask


def test_every_role_has_exactly_its_permissions(allowed):
    for role, permissions in ROLES.items():
        assert allowed(role) == permissions


def test_ushers_can_only_view(allowed):
    assert all(".view_" in permission for permission in allowed("Usher"))


def test_the_box_office_also_blocks_seats_and_sells(allowed):
    assert allowed("Box office") - allowed("Usher") == {
        "catalog.change_seat",
        "bookings.sell_order",
    }


def test_programmers_plan_but_do_not_see_sales(allowed):
    may = allowed("Programmer")
    assert "catalog.add_show" in may
    assert "reports.view_reports" in may
    assert not any(name.startswith("bookings.") for name in may)


def test_no_role_deletes_sales_or_users(allowed):
    for role in ROLES:
        may = allowed(role)
        assert not any(name.startswith("bookings.delete") for name in may)
        assert "accounts.delete_user" not in may


def test_only_managers_see_users(allowed):
    assert [role for role in ROLES if "accounts.view_user" in allowed(role)] == ["Manager"]


def test_making_the_roles_again_removes_added_permissions(db, capsys):
    call_command("make_roles")
    usher = Group.objects.get(name="Usher")
    usher.permissions.add(Permission.objects.get(codename="delete_booking"))
    call_command("make_roles")
    assert Group.objects.count() == 4
    assert not usher.permissions.filter(codename="delete_booking").exists()
    assert "Usher, Box office, Programmer, Manager" in capsys.readouterr().out


def test_an_unknown_permission_is_named(db, monkeypatch):
    monkeypatch.setitem(roles.ROLES, "Usher", {"catalog.view_popcorn"})
    with pytest.raises(UnknownPermissions, match=r"catalog\.view_popcorn"):
        ensure_roles()


def test_the_demo_has_one_user_of_every_kind(db):
    for _ in range(2):
        make_demo_accounts()
    users = {user.email: user for user in User.objects.prefetch_related("groups")}
    assert len(users) == len(DEMO_ACCOUNTS)
    for account in DEMO_ACCOUNTS:
        user = users[account.email]
        assert user.check_password(account.password)
        assert user.is_staff == (account.role != "Customer")
        assert user.is_superuser == (account.role == "Administrator")
        expected = {account.role} & set(ROLES)
        assert {group.name for group in user.groups.all()} == expected
