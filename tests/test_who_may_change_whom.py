"""Which staff may change which users: every page of the back office gives the same answer."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import Group, Permission
from django.db import connection, transaction
from django.db.models import Model, Q
from django.test import Client
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import AuditEntry, SignIn, User
from accounts.rights import may_change
from accounts.roles import ensure_roles
from accounts.tokens import issue_tokens
from catalog.models import Theatre
from tests.factories import TheatreFactory, UserFactory
from tests.waiting import somebody_waits_for_me

BACKEND = "django.contrib.auth.backends.ModelBackend"
NEW_PASSWORD = "seven seals in the bay"

# Who (rows) may be changed by whom (columns).
TABLE = """
                      | clerk here | manager here | new manager | regional manager | administrator
self                  | no         | no           | no          | no               | no
customer              | yes        | yes          | yes         | yes              | yes
removed               | no         | no           | no          | no               | no
new staff             | yes        | yes          | yes         | yes              | yes
usher nowhere         | no         | yes          | yes         | yes              | yes
usher here            | no         | yes          | no          | yes              | yes
usher there           | no         | no           | no          | yes              | yes
usher here and there  | no         | no           | no          | yes              | yes
inactive usher there  | no         | no           | no          | yes              | yes
manager of here       | no         | yes          | no          | yes              | yes
role editor nowhere   | no         | no           | no          | no               | yes
staff everywhere      | no         | no           | no          | yes              | yes
other administrator   | no         | no           | no          | no               | yes
former usher          | no         | yes          | yes         | yes              | yes
former staff of there | no         | no           | no          | yes              | yes
former role editor    | no         | no           | no          | no               | yes
former administrator  | no         | no           | no          | no               | yes
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip("\n").splitlines()]
ACTORS = ROWS[0][1:]
EXPECTED = {
    (actor, row[0]): cell == "yes"
    for row in ROWS[1:]
    for actor, cell in zip(ACTORS, row[1:], strict=True)
}


class World(NamedTuple):
    here: Theatre
    greeter: Group  # a role that every actor may give
    actors: dict[str, User]
    targets: dict[str, User]


def permission(name: str) -> Permission:
    app, _, codename = name.partition(".")
    return Permission.objects.get(content_type__app_label=app, codename=codename)


def staff_with(
    *permissions: str, role: str = "", theatres: tuple[Theatre, ...] = (), **facts: Any
) -> User:
    user: User = UserFactory(**{"is_staff": True} | facts)
    user.user_permissions.set(map(permission, permissions))
    if role:
        user.groups.add(Group.objects.get(name=role))
    user.theatres.set(theatres)
    return user


@pytest.fixture
def world(db: None) -> World:
    ensure_roles()
    here, there = TheatreFactory(), TheatreFactory()
    greeter = Group.objects.create(name="Greeter")
    greeter.permissions.add(permission("catalog.view_movie"))
    devices = ("otp_totp.view_totpdevice", "otp_totp.delete_totpdevice")
    clerk = (
        *devices,
        "catalog.view_movie",
        "catalog.view_theatre",
        "catalog.change_theatre",
        "accounts.view_user",
        "accounts.change_user",
        "accounts.view_signin",
        "accounts.change_signin",
        "axes.view_accessattempt",
        "axes.delete_accessattempt",
    )
    everywhere, roles = "catalog.work_everywhere", "auth.change_group"
    former = {"is_staff": False}
    return World(
        here=here,
        greeter=greeter,
        actors={
            "clerk here": staff_with(*clerk, theatres=(here,)),
            "manager here": staff_with(*devices, role="Manager", theatres=(here,)),
            "new manager": staff_with(*devices, role="Manager"),
            "regional manager": staff_with(*devices, everywhere, role="Manager"),
            "administrator": staff_with(is_superuser=True),
        },
        targets={
            "customer": UserFactory(),
            "removed": UserFactory(email="deleted-7@invalid", is_active=False),
            "new staff": staff_with(),
            "usher nowhere": staff_with(role="Usher"),
            "usher here": staff_with(role="Usher", theatres=(here,)),
            "usher there": staff_with(role="Usher", theatres=(there,)),
            "usher here and there": staff_with(role="Usher", theatres=(here, there)),
            "inactive usher there": staff_with(role="Usher", theatres=(there,), is_active=False),
            "manager of here": staff_with(role="Manager", theatres=(here,)),
            "role editor nowhere": staff_with(roles),
            "staff everywhere": staff_with(everywhere, role="Usher"),
            "other administrator": staff_with(is_superuser=True),
            "former usher": staff_with(role="Usher", **former),
            "former staff of there": staff_with(theatres=(there,), **former),
            "former role editor": staff_with(roles, **former),
            "former administrator": staff_with(is_superuser=True, **former),
        },
    )


def login(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def edited(person: User, **changes: Any) -> dict[str, Any]:
    """Return the form of the person's page, with some fields changed."""
    form = {
        "name": person.name,
        "email": person.email,
        "groups": list(person.groups.values_list("pk", flat=True)),
        **{
            name: "on"
            for name in ("is_active", "is_staff", "is_superuser")
            if getattr(person, name)
        },
        **changes,
    }
    return {name: value for name, value in form.items() if value}


# Each page tries to change the person, and returns whether it did.


def edits(client: Client, person: User, world: World) -> bool:
    client.post(f"/admin/accounts/user/{person.pk}/change/", edited(person, name="Changed"))
    return User.objects.get(pk=person.pk).name == "Changed"


def deactivates(client: Client, person: User, world: World) -> bool:
    client.post(
        f"/admin/accounts/user/{person.pk}/change/",
        edited(person, is_active="" if person.is_active else "on"),
    )
    return User.objects.get(pk=person.pk).is_active != person.is_active


def gives_a_role(client: Client, person: User, world: World) -> bool:
    groups = [*person.groups.values_list("pk", flat=True), world.greeter.pk]
    client.post(f"/admin/accounts/user/{person.pk}/change/", edited(person, groups=groups))
    return person.groups.filter(name="Greeter").exists()


def sets_a_password(client: Client, person: User, world: World) -> bool:
    form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    client.post(f"/admin/accounts/user/{person.pk}/password/", form)
    return User.objects.get(pk=person.pk).password != person.password


def removes(client: Client, person: User, world: World) -> bool:
    client.post(f"/admin/accounts/user/{person.pk}/remove/")
    return User.objects.get(pk=person.pk).is_removed and not person.is_removed


def ends_sign_ins(client: Client, person: User, world: World) -> bool:
    issue_tokens(person)
    chosen = SignIn.objects.get(user=person)
    client.post("/admin/accounts/signin/", {"action": "end", "_selected_action": str(chosen.pk)})
    chosen.refresh_from_db()
    return chosen.ended_at is not None


def lifts_a_lock(client: Client, person: User, world: World) -> bool:
    row = AccessAttempt.objects.create(username=person.email, failures_since_start=5)
    client.post(f"/admin/axes/accessattempt/{row.pk}/delete/", {"post": "yes"})
    return not AccessAttempt.objects.exists()


def lifts_chosen_locks(client: Client, person: User, world: World) -> bool:
    row = AccessAttempt.objects.create(username=person.email, failures_since_start=5)
    chosen = {"action": "delete_selected", "post": "yes", "_selected_action": row.pk}
    client.post("/admin/axes/accessattempt/", chosen)
    return not AccessAttempt.objects.exists()


def removes_a_second_factor(client: Client, person: User, world: World) -> bool:
    device = TOTPDevice.objects.create(user=person, confirmed=False)
    client.post(f"/admin/otp_totp/totpdevice/{device.pk}/delete/", {"post": "yes"})
    return not TOTPDevice.objects.exists()


def removes_chosen_second_factors(client: Client, person: User, world: World) -> bool:
    device = TOTPDevice.objects.create(user=person, confirmed=False)
    chosen = {"action": "delete_selected", "post": "yes", "_selected_action": device.pk}
    client.post("/admin/otp_totp/totpdevice/", chosen)
    return not TOTPDevice.objects.exists()


def gives_a_theatre(client: Client, person: User, world: World) -> bool:
    world.here.staff.remove(person)
    return (
        post_staff(client, world, {*world.here.staff.all(), person})
        and person in world.here.staff.all()
    )


def takes_a_theatre(client: Client, person: User, world: World) -> bool:
    world.here.staff.add(person)
    return (
        post_staff(client, world, {*world.here.staff.all()} - {person})
        and person not in world.here.staff.all()
    )


def post_staff(client: Client, world: World, staff: set[User]) -> bool:
    theatre = world.here
    form = {
        "name": theatre.name,
        "location": theatre.location,
        "timezone": theatre.timezone,
        "currency": theatre.currency,
        "language": theatre.language,
        "gap_rule": theatre.gap_rule,
        "staff": [person.pk for person in staff],
    }
    answer = client.post(f"/admin/catalog/theatre/{theatre.pk}/change/", form)
    return answer.status_code == 302


def always(actor: User, person: User, world: World) -> bool:
    return True


def of_customers(actor: User, person: User, world: World) -> bool:
    return not (person.is_staff or person.is_superuser)  # others cannot be removed


def who_sees_the_theatre(actor: User, person: User, world: World) -> bool:
    return actor.has_perm("catalog.work_everywhere") or world.here.staff.contains(actor)


def of_staff(actor: User, person: User, world: World) -> bool:
    return person.is_staff and who_sees_the_theatre(actor, person, world)


# Each page, and to whom it applies at all.
PAGES: dict[Callable[[Client, User, World], bool], Callable[[User, User, World], bool]] = {
    edits: always,
    deactivates: always,
    gives_a_role: always,
    sets_a_password: always,
    removes: of_customers,
    ends_sign_ins: always,
    lifts_a_lock: always,
    lifts_chosen_locks: always,
    removes_a_second_factor: always,
    removes_chosen_second_factors: always,
    gives_a_theatre: of_staff,
    takes_a_theatre: who_sees_the_theatre,
}


def about(subject: Model) -> Q:
    return Q(subject_type=subject._meta.label_lower, subject_id=str(subject.pk))


def pairs(world: World) -> Iterator[tuple[str, User, str, User]]:
    for actor, user in world.actors.items():
        for target, person in {"self": user, **world.targets}.items():
            yield actor, user, target, person


def test_the_function_agrees_with_the_table(world: World) -> None:
    found = {
        (actor, target): may_change(actor=user, user=person)
        for actor, user, target, person in pairs(world)
    }
    assert found == EXPECTED


@pytest.mark.parametrize("page", PAGES)
def test_every_page_agrees_with_the_table_and_records_each_change(
    page: Callable[[Client, User, World], bool], world: World
) -> None:
    """The entry names the actor, and the person or the theatre."""
    applies = PAGES[page]
    about_theatre = about(world.here)
    wrong = []
    for actor, user, target, person in pairs(world):
        expected = EXPECTED[actor, target] and applies(user, person, world)
        before = transaction.savepoint()
        changed = page(login(user), person, world)
        recorded = AuditEntry.objects.filter(about_theatre | about(person), actor=user).exists()
        transaction.savepoint_rollback(before)
        person.refresh_from_db()
        if (changed, recorded) != (expected, expected):
            wrong.append(f"{actor}, {target}: changed {changed}, recorded {recorded}")
    assert wrong == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("page", [edits, sets_a_password])
def test_a_user_who_gains_rights_meanwhile_is_not_changed(
    page: Callable[[Client, User, World], bool], world: World
) -> None:
    customer = world.targets["customer"]
    client = login(world.actors["manager here"])

    def submit() -> bool:
        try:
            return page(client, customer, world)
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            User.objects.filter(pk=customer.pk).update(is_superuser=True)
            submitted = pool.submit(submit)
            while not somebody_waits_for_me():
                assert not submitted.done()
        assert not submitted.result()


def test_only_roles_are_offered_and_accepted_whose_permissions_the_giver_has(world: World) -> None:
    strong = Group.objects.create(name="Role keeper")
    strong.permissions.add(permission("auth.change_group"))
    person = world.targets["customer"]
    address = f"/admin/accounts/user/{person.pk}/change/"
    for actor, roles in {
        "clerk here": {"Greeter"},
        "manager here": {"Greeter", "Usher", "Box office", "Programmer", "Manager"},
        "administrator": set(Group.objects.values_list("name", flat=True)),
    }.items():
        client = login(world.actors[actor])
        page = client.get(address)
        offered = page.context["adminform"].form.fields["groups"].queryset
        assert {role.name for role in offered} == roles
        client.post(address, edited(person, groups=[strong.pk]))
        assert person.groups.contains(strong) == (actor == "administrator")


def test_a_page_links_to_a_new_password_only_for_those_who_may_set_it(world: World) -> None:
    manager = world.actors["manager here"]
    client = login(manager)
    pages = {
        target: client.get(f"/admin/accounts/user/{person.pk}/change/").text
        for target, person in {"self": manager, **world.targets}.items()
    }
    linked = {target for target, page in pages.items() if ">Set a new password<" in page}
    changeable = {target for target in world.targets if EXPECTED["manager here", target]}
    assert linked == {"self", *changeable}
    assert "Manager" in pages["self"]
    assert "Groups" not in pages["self"]


def test_only_administrators_edit_roles(world: World) -> None:
    """Otherwise staff could add permissions to a role of theirs."""
    keeper = staff_with(
        "auth.view_group", "auth.add_group", "auth.change_group", "auth.delete_group"
    )
    address = f"/admin/auth/group/{world.greeter.pk}"
    form = {"name": "Greeter", "permissions": [permission("auth.delete_group").pk]}
    client = login(keeper)
    assert client.get(f"{address}/change/").status_code == 200
    assert client.post(f"{address}/change/", form).status_code == 403
    assert client.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    assert client.post("/admin/auth/group/add/", form).status_code == 403
    assert login(world.actors["administrator"]).post(f"{address}/change/", form).status_code == 302


def test_losing_the_staff_status_ends_theatres_roles_and_permissions(world: World) -> None:
    person = world.targets["usher here and there"]
    person.user_permissions.add(permission("auth.view_group"))
    address = f"/admin/accounts/user/{person.pk}/change/"
    login(world.actors["administrator"]).post(address, edited(person, is_staff=""))
    assert not person.theatres.exists()
    assert not person.groups.exists()
    assert not person.user_permissions.exists()
    entry = AuditEntry.objects.get(action="staff_access_ended", subject_id=str(person.pk))
    assert entry.actor == world.actors["administrator"]
    assert entry.facts["roles"] == ["Usher"]
    assert entry.facts["permissions"] == [
        "Authentication and Authorization | group | Can view group"
    ]
    assert len(entry.facts["theatres"]) == 2


def test_a_lock_of_an_address_without_an_account_can_be_lifted(world: World) -> None:
    row = AccessAttempt.objects.create(username="nobody@example.com", failures_since_start=5)
    client = login(world.actors["manager here"])
    client.post(f"/admin/axes/accessattempt/{row.pk}/delete/", {"post": "yes"})
    assert not AccessAttempt.objects.exists()
