"""Staff can only find, choose and change data of their theatres; changes are audited."""

from http import HTTPStatus
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import audit
from accounts.models import AuditEntry, SignIn, User
from accounts.roles import ensure_roles
from accounts.tokens import issue_tokens
from catalog.models import Screen, Theatre
from tests.factories import (
    MovieFactory,
    PriceCardFactory,
    ScreenFactory,
    ShowFactory,
    TheatreFactory,
    UserFactory,
)


@pytest.fixture
def here(db: None) -> Theatre:
    return TheatreFactory(name="Here")


@pytest.fixture
def there(db: None) -> Theatre:
    return TheatreFactory(name="There")


@pytest.fixture
def manager(here: Theatre) -> User:
    ensure_roles()
    manager = UserFactory(name="Max", is_staff=True)
    manager.groups.add(Group.objects.get(name="Manager"))
    here.staff.add(manager)
    return manager


@pytest.fixture
def desk(client: Client, manager: User) -> Client:
    client.force_login(manager, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.parametrize("page", ["theatre", "screen", "show", "seat"])
def test_lists_contain_only_the_theatres_of_the_staff_user(
    page: str, desk: Client, here: Theatre, there: Theatre
) -> None:
    for theatre in (here, there):
        ScreenFactory(theatre=theatre)
        show = ShowFactory(theatre=theatre)
        show.seats.create(row="A", number=1, price="1.00")
    query = {"when": "all"} if page == "show" else {}
    listed = desk.get(reverse(f"admin:catalog_{page}_changelist"), query)
    assert len(listed.context["cl"].result_list) == 1
    assert "There" not in listed.text


def test_another_theatre_is_neither_offered_nor_accepted(
    desk: Client, here: Theatre, there: Theatre
) -> None:
    asked = {"app_label": "catalog", "model_name": "screen", "field_name": "theatre", "term": ""}
    offered = desk.get(reverse("admin:autocomplete"), asked).json()["results"]
    assert [choice["text"] for choice in offered] == ["Here"]
    form = {"name": "Blue", "turnaround_minutes": 20, "layout": "A SS", "theatre": there.pk}
    page = desk.post(reverse("admin:catalog_screen_add"), form)
    assert "theatre" in page.context["adminform"].form.errors
    assert not Screen.objects.exists()
    desk.post(reverse("admin:catalog_screen_add"), form | {"theatre": here.pk})
    assert Screen.objects.get().theatre == here


def test_search_and_filters_find_nothing_of_other_theatres(
    desk: Client, here: Theatre, there: Theatre
) -> None:
    ScreenFactory(theatre=there)
    address = reverse("admin:catalog_screen_changelist")
    for query in ({"q": "There"}, {"theatre__id__exact": there.pk}):
        assert not desk.get(address, query).context["cl"].result_list


def test_the_creator_of_a_theatre_becomes_its_staff(desk: Client, manager: User) -> None:
    form = {
        "name": "New",
        "timezone": "UTC",
        "currency": "USD",
        "language": "en",
        "gap_rule": "off",
    }
    desk.post(reverse("admin:catalog_theatre_add"), form)
    assert manager.theatres.filter(name="New").exists()


def test_a_manager_adds_staff_to_their_theatre(desk: Client, here: Theatre, manager: User) -> None:
    clerk, customer = UserFactory(name="Bea", is_staff=True), UserFactory()
    address = reverse("admin:catalog_theatre_change", args=[here.pk])
    form = {"name": "Here", "location": here.location, "timezone": here.timezone}
    form |= {"currency": "USD", "language": "en", "gap_rule": "off"}
    desk.post(address, form | {"staff": [manager.pk, customer.pk]})
    assert not customer.theatres.exists()
    desk.post(address, form | {"staff": [manager.pk, clerk.pk]})
    assert list(clerk.theatres.all()) == [here]
    assert "Here" in desk.get(reverse("admin:accounts_user_change", args=[clerk.pk])).text
    (entry,) = audit.history_of(here)
    assert entry.facts == {
        "changes": {"staff": [f"user {manager.pk}", f"user {manager.pk}, user {clerk.pk}"]}
    }
    assert entry.theatre_id == here.pk


def test_a_programmer_cannot_see_the_staff_of_theatres(
    desk: Client, here: Theatre, manager: User
) -> None:
    manager.groups.set([Group.objects.get(name="Programmer")])
    page = desk.get(reverse("admin:catalog_theatre_change", args=[here.pk]))
    assert "staff" not in page.context["adminform"].form.fields


def test_a_changed_price_is_audited_with_its_old_value(desk: Client, manager: User) -> None:
    card = PriceCardFactory(name="Evening")
    lines = list(card.lines.order_by("pk"))
    form: dict[str, Any] = {
        "name": "Night",
        "lines-TOTAL_FORMS": len(lines),
        "lines-INITIAL_FORMS": len(lines),
    }
    for index, line in enumerate(lines):
        form |= {
            f"lines-{index}-id": line.pk,
            f"lines-{index}-price_card": card.pk,
            f"lines-{index}-category": line.category,
            f"lines-{index}-price": "13.50" if index == 0 else line.price,
        }
    desk.post(reverse("admin:catalog_pricecard_change", args=[card.pk]), form)
    (entry,) = audit.history_of(card)
    assert (entry.actor, entry.action) == (manager, "changed")
    assert entry.facts["changes"] == {
        "name": ["Evening", "Night"],
        "Standard, price": ["12.00", "13.50"],
    }
    page = desk.get(reverse("admin:catalog_pricecard_history", args=[card.pk])).text
    assert "Standard, price: 12.00 → 13.50" in page


def test_saving_without_changes_is_not_audited(desk: Client) -> None:
    movie = MovieFactory()
    form = {"title": movie.title, "description": movie.description, "duration_minutes": 100}
    form |= {"certificate": "PG", "language": "en", "genres": "Drama"}
    address = reverse("admin:catalog_movie_change", args=[movie.pk])
    assert desk.post(address, form).status_code == HTTPStatus.FOUND
    assert [entry.facts for entry in audit.history_of(movie)] == []


def test_the_audit_names_the_old_and_new_screen_of_a_show(desk: Client, here: Theatre) -> None:
    old, new = ScreenFactory(theatre=here, name="Old"), ScreenFactory(theatre=here, name="New")
    show = ShowFactory(theatre=here, screen=old, occupied_until=ShowFactory().end_time)
    local = show.start_time.astimezone(here.zone)
    form = {
        "movie": show.movie_id,
        "theatre": here.pk,
        "screen": new.pk,
        "start_0": f"{local:%Y-%m-%d}",
        "start_1": f"{local:%H:%M}",
        "start_date": f"{local:%Y-%m-%d}",
        "start_time": f"{local:%H:%M}",
        "status": "open",
        "format": "3D",
    }
    desk.post(reverse("admin:catalog_show_change", args=[show.pk]), form)
    (entry,) = audit.history_of(show)
    assert entry.facts["changes"]["screen"] == ["Here, Old", "Here, New"]
    assert entry.facts["changes"]["format"] == ["2D", "3D"]


def test_the_audit_trail_has_entries_of_the_users_theatres_and_of_no_theatre(
    desk: Client, here: Theatre, there: Theatre
) -> None:
    for theatre in (here, there):
        audit.record(actor=None, action="opened", subject=theatre, theatre_id=theatre.pk)
    audit.record(actor=None, action="priced", subject=PriceCardFactory())
    address = reverse("admin:accounts_auditentry_changelist")
    entries = desk.get(address).context["cl"].result_list
    assert [entry.action for entry in entries] == ["priced", "opened"]
    for query, found in (
        ({"theatre": here.pk}, ["opened"]),
        ({"action": "priced"}, ["priced"]),
        ({"theatre": there.pk}, ["priced", "opened"]),
        ({"q": "Here"}, ["opened"]),
    ):
        listed = desk.get(address, query).context["cl"].result_list
        assert [entry.action for entry in listed] == found


@pytest.mark.parametrize("where", ["here", "there", "everywhere", "nowhere"])
def test_a_manager_cannot_change_staff_of_another_theatre(
    desk: Client, here: Theatre, there: Theatre, where: str
) -> None:
    """Otherwise they could set the password and act as that user in the other theatre."""
    colleague = UserFactory(is_staff=True, is_active=False)
    if where in ("here", "there"):
        colleague.theatres.add(here if where == "here" else there)
    if where == "everywhere":
        colleague.user_permissions.add(Permission.objects.get(codename="work_everywhere"))
    answer = desk.get(f"/admin/accounts/user/{colleague.pk}/password/")
    assert answer.status_code == (200 if where in ("here", "nowhere") else 403)
    change = desk.post(
        f"/admin/accounts/user/{colleague.pk}/change/",
        {"name": "New", "email": colleague.email, "is_staff": "on"},
    )
    assert change.status_code == (302 if where in ("here", "nowhere") else 403)


def test_a_manager_ends_no_sign_in_of_staff_of_another_theatre(
    desk: Client, here: Theatre, there: Theatre, manager: User
) -> None:
    """Nor of an administrator, nor of staff who work everywhere."""
    customer, colleague, stranger = UserFactory(), *UserFactory.create_batch(2, is_staff=True)
    here.staff.add(colleague)
    there.staff.add(stranger)
    boss = UserFactory(is_staff=True, is_superuser=True)
    people = (customer, colleague, stranger, boss)
    for person in people:
        issue_tokens(person)
    address = reverse("admin:accounts_signin_changelist")
    chosen = list(SignIn.objects.values_list("pk", flat=True))
    answer = desk.post(address, {"action": "end", "_selected_action": chosen}, follow=True)
    ended = SignIn.objects.filter(ended_at__isnull=False).values_list("user", flat=True)
    assert set(ended) == {customer.pk, colleague.pk}
    audited = AuditEntry.objects.values_list("subject_id", "action", "actor")
    assert set(audited) == {
        (str(person.pk), "sign_ins_ended", manager.pk) for person in (customer, colleague)
    }
    levels = [message.level_tag for message in answer.context["messages"]]
    assert levels == ["success", "error"]


def test_a_manager_removes_no_second_factor_of_staff_of_another_theatre(
    desk: Client, here: Theatre, there: Theatre, manager: User
) -> None:
    manager.user_permissions.set(
        Permission.objects.filter(codename__in=["delete_totpdevice", "view_totpdevice"])
    )
    colleague, stranger = UserFactory.create_batch(2, is_staff=True)
    here.staff.add(colleague)
    there.staff.add(stranger)
    devices = [
        TOTPDevice.objects.create(user=user, confirmed=True, name="Phone")
        for user in (colleague, stranger)
    ]
    for device in devices:
        page = reverse("admin:otp_totp_totpdevice_delete", args=[device.pk])
        desk.post(page, {"post": "yes"})
        chosen = {"action": "delete_selected", "post": "yes", "_selected_action": device.pk}
        desk.post(reverse("admin:otp_totp_totpdevice_changelist"), chosen)
    assert list(TOTPDevice.objects.all()) == devices[1:]
    assert list(AuditEntry.objects.values_list("subject_id", "action")) == [
        (str(colleague.pk), "second_factor_removed")
    ]
