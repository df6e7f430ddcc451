"""Users, sign-ins, roles and failed logins in the back office."""

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEntry, SignIn, User
from accounts.roles import ensure_roles
from accounts.tokens import issue_tokens
from tests.accounts.conftest import PASSWORD
from tests.factories import UserFactory

USERS = "/admin/accounts/user/"
NEW_PASSWORD = "seven seals in the bay"


@pytest.fixture(autouse=True)
def without_other_apps(settings):
    """Switch off what other apps do when a user is removed; their tests cover it."""
    settings.PERSON_REMOVERS = []


def browser(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def administrator(db):
    return browser(UserFactory(email="ada@example.com", is_staff=True, is_superuser=True))


@pytest.fixture
def manager(db):
    ensure_roles()
    user = UserFactory(email="max@example.com", is_staff=True)
    user.groups.add(Group.objects.get(name="Manager"))
    return browser(user)


def edited(person, **changes):
    """Return the form data of `person`, with some fields changed."""
    form = {
        "name": person.name,
        "email": person.email,
        "is_active": "on" if person.is_active else "",
        "is_staff": "on" if person.is_staff else "",
        "is_superuser": "on" if person.is_superuser else "",
        **changes,
    }
    return {name: value for name, value in form.items() if value}


@pytest.mark.parametrize(
    "page",
    [
        "user/",
        "user/?q=lena&access=inactive",
        "user/add/",
        "signin/",
        "signin/?q=lena",
    ],
)
def test_the_pages_open(administrator, person, page):
    issue_tokens(person)
    assert administrator.get(f"/admin/accounts/{page}").status_code == 200


@pytest.mark.parametrize(
    "page", ["/admin/auth/group/", "/admin/auth/group/add/", "/admin/axes/accessattempt/"]
)
def test_the_pages_of_roles_and_failed_logins_open(administrator, page):
    assert administrator.get(page).status_code == 200


def test_the_number_of_queries_does_not_grow_with_the_lists(
    administrator, person, django_assert_max_num_queries
):
    ensure_roles()
    for _ in range(20):
        user = UserFactory(is_staff=True)
        user.groups.set(Group.objects.all())
        issue_tokens(user)
    with django_assert_max_num_queries(8):
        administrator.get(USERS)
    with django_assert_max_num_queries(8):
        administrator.get("/admin/accounts/signin/")


def test_a_user_is_added_with_a_password(administrator):
    form = {
        "name": "Lena Lion",
        "email": "LENA@example.com",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }
    assert administrator.post(f"{USERS}add/", form).status_code == 302
    user = User.objects.get(email="lena@example.com")
    assert user.check_password(PASSWORD)
    page = administrator.post(f"{USERS}add/", form)
    assert "There is already an account with this e-mail address." in page.content.decode()


def test_a_user_is_edited(administrator, person):
    page = f"{USERS}{person.pk}/change/"
    assert administrator.get(page).status_code == 200
    assert administrator.post(page, edited(person, name="Leo")).status_code == 302
    before = person.token_version
    person.refresh_from_db()
    assert (person.name, person.token_version) == ("Leo", before)


def test_an_address_is_shown_readable_and_stored_in_ascii(administrator):
    stored, shown = "u@xn--bcher-kva.example", "u@bücher.example"
    person = UserFactory(email=stored)
    User.objects.filter(pk=person.pk).update(email_confirmed_at=timezone.now())
    page = f"{USERS}{person.pk}/change/"
    assert f'value="{shown}"' in administrator.get(page).text
    assert shown in administrator.get(USERS).text
    assert administrator.post(page, edited(person, name="Uwe", email=shown)).status_code == 302
    person.refresh_from_db()
    assert (person.name, person.email) == ("Uwe", stored)
    assert person.email_confirmed_at  # the address has not changed


def test_deactivating_revokes_all_tokens(administrator, person, login):
    issue_tokens(person)
    administrator.post(f"{USERS}{person.pk}/change/", edited(person, is_active=""))
    before = person.token_version
    person.refresh_from_db()
    assert not person.is_active
    assert person.token_version == before + 1
    assert not SignIn.objects.filter(ended_at=None).exists()


def test_an_edit_does_not_restore_revoked_tokens(administrator, person, monkeypatch):
    """The token version rises between reading the row for the form and writing it."""
    clean = User.clean

    def revoke_meanwhile(self):
        User.objects.filter(pk=person.pk).update(token_version=7)
        clean(self)

    monkeypatch.setattr(User, "clean", revoke_meanwhile)
    administrator.post(f"{USERS}{person.pk}/change/", edited(person, name="Leo"))
    person.refresh_from_db()
    assert (person.name, person.token_version) == ("Leo", 7)


def test_setting_a_password_revokes_all_tokens(administrator, person, call):
    refresh = issue_tokens(person).refresh
    page = f"{USERS}{person.pk}/password/"
    assert administrator.get(page).status_code == 200
    form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert administrator.post(page, form).status_code == 302
    before = person.token_version
    person.refresh_from_db()
    assert person.check_password(NEW_PASSWORD)
    assert person.token_version == before + 1
    assert call("refresh", {"refresh": refresh}).json()["code"] == "token_revoked"
    assert not SignIn.objects.filter(ended_at=None).exists()


def test_a_user_who_changes_the_password_loses_all_tokens(db):
    user = UserFactory(password=PASSWORD, is_staff=True)
    issue_tokens(user)
    before = user.token_version
    form = {
        "old_password": PASSWORD,
        "new_password1": NEW_PASSWORD,
        "new_password2": NEW_PASSWORD,
    }
    assert browser(user).post("/admin/password_change/", form).status_code == 302
    user.refresh_from_db()
    assert user.check_password(NEW_PASSWORD)
    assert user.token_version == before + 1
    assert not SignIn.objects.filter(ended_at=None).exists()


def test_users_cannot_be_deleted(administrator, person):
    assert administrator.post(f"{USERS}{person.pk}/delete/", {"post": "yes"}).status_code == 403
    administrator.post(
        USERS, {"action": "delete_selected", "_selected_action": [person.pk], "post": "yes"}
    )
    assert User.objects.filter(pk=person.pk).exists()


def remove(person):
    return f"{USERS}{person.pk}/remove/"


def test_removing_a_user_asks_for_confirmation(administrator, person):
    administrator.post(f"{USERS}{person.pk}/change/", edited(person, name="Leo"))
    page = administrator.get(f"{USERS}{person.pk}/change/").content.decode()
    assert remove(person) in page
    question = administrator.get(remove(person))
    assert "Remove Leo" in question.content.decode()
    assert User.objects.get(pk=person.pk).is_active
    answer = administrator.post(remove(person), follow=True)
    assert [message.level_tag for message in answer.context["messages"]] == ["success"]
    person.refresh_from_db()
    assert (person.name, person.email) == ("", f"deleted-{person.pk}@invalid")
    entries = [(entry.action, entry.subject_name) for entry in audit.history_of(person)]
    assert entries == [("person_removed", "Removed user"), ("changed", "Removed user")]
    assert "Leo" not in str(list(AuditEntry.objects.values()))


def test_a_removed_user_cannot_be_edited(administrator, person):
    administrator.post(remove(person))
    person.refresh_from_db()
    page = f"{USERS}{person.pk}/change/"
    assert administrator.get(page).status_code == 200
    assert administrator.post(page, edited(person, name="Back")).status_code == 403


def test_staff_cannot_be_removed(administrator):
    colleague = UserFactory(is_staff=True)
    answer = administrator.post(remove(colleague), follow=True)
    assert "member of staff" in answer.content.decode()
    colleague.refresh_from_db()
    assert colleague.is_active


def test_removing_an_unknown_user_is_a_404(administrator):
    assert administrator.get(f"{USERS}999999/remove/").status_code == 404


def test_a_manager_cannot_make_an_administrator(manager, person):
    page = f"{USERS}{person.pk}/change/"
    manager.post(page, edited(person, name="Leo", is_staff="on", is_superuser="on"))
    person.refresh_from_db()
    assert (person.name, person.is_staff, person.is_superuser) == ("Leo", True, False)


def test_a_manager_cannot_change_an_administrator(manager):
    boss = UserFactory(is_staff=True, is_superuser=True, password=PASSWORD)
    answer = manager.post(f"{USERS}{boss.pk}/change/", edited(boss, email="max2@example.com"))
    assert answer.status_code == 403
    form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert manager.post(f"{USERS}{boss.pk}/password/", form).status_code == 403
    boss.refresh_from_db()
    assert boss.check_password(PASSWORD)


def test_a_manager_cannot_grant_single_permissions(manager, person):
    page = manager.get(f"{USERS}{person.pk}/change/").content.decode()
    assert "user_permissions" not in page
    assert manager.get("/admin/auth/group/").status_code == 403


@pytest.mark.parametrize("role", ["Usher", "Box office", "Programmer"])
def test_other_roles_see_no_users(db, role):
    ensure_roles()
    user = UserFactory(is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = browser(user)
    for page in (USERS, remove(user), "/admin/accounts/signin/", "/admin/axes/accessattempt/"):
        assert client.get(page).status_code == 403


def test_sign_ins_are_ended_not_edited(administrator, person, call):
    refresh = issue_tokens(person).refresh
    sign_in = SignIn.objects.get(user=person)
    page = f"/admin/accounts/signin/{sign_in.pk}/change/"
    assert administrator.get(page).status_code == 200
    administrator.post(page, {"expires_at_0": "2099-01-01", "expires_at_1": "00:00"})
    sign_in.refresh_from_db()
    assert sign_in.expires_at.year < 2099
    administrator.post(
        "/admin/accounts/signin/", {"action": "end", "_selected_action": [str(sign_in.pk)]}
    )
    assert call("refresh", {"refresh": refresh}).status_code == 401


def test_ending_sign_ins_is_audited_once(administrator, person):
    for _ in range(2):
        issue_tokens(person)
    chosen = list(SignIn.objects.values_list("pk", flat=True))
    for _ in range(2):
        administrator.post("/admin/accounts/signin/", {"action": "end", "_selected_action": chosen})
    (entry,) = audit.history_of(person)
    assert (entry.action, entry.actor.email) == ("sign_ins_ended", "ada@example.com")
    assert entry.facts == {"sign_ins": 2}
    history = administrator.get(f"/admin/accounts/signin/{chosen[0]}/history/")
    assert list(history.context["page"]) == [entry]


def test_a_failed_login_is_found_by_any_spelling_of_its_address(administrator, call):
    call("login", {"email": "u@bücher.example", "password": "wrong"})
    for typed in ("u@bücher.example", "u@xn--bcher-kva.example", "U@"):
        page = administrator.get("/admin/axes/accessattempt/", {"q": typed}).text
        assert "u@bücher.example" in page.partition('id="result_list"')[2]
    page = administrator.get("/admin/axes/accessattempt/", {"q": "v@bücher.example"}).text
    assert 'id="result_list"' not in page


def test_deleting_a_failed_login_lifts_the_lock(manager, person, call):
    body = {"email": person.email, "password": "wrong"}
    for _ in range(5):
        call("login", body)
    attempt = AccessAttempt.objects.get()
    page = f"/admin/axes/accessattempt/{attempt.pk}/delete/"
    assert manager.post(page, {"post": "yes"}).status_code == 302
    assert call("login", {**body, "password": PASSWORD}).status_code == 200
    assert timezone.now() > attempt.attempt_time


@pytest.mark.django_db
def test_the_user_page_links_to_a_new_password_and_hides_the_hash(office, user):
    page = office.get(reverse("admin:accounts_user_change", args=[user.pk])).text
    assert reverse("admin:auth_user_password_change", args=[user.pk]) in page
    assert "argon2" not in page


@pytest.mark.parametrize(
    ("model", "word"),
    [
        ("accounts_user", "Users"),
        ("auth_group", "Roles"),
        ("axes_accessattempt", "Failed logins"),
        ("otp_totp_totpdevice", "Second factors"),
        ("django_tasks_database_dbtaskresult", "Tasks"),
    ],
)
def test_page_titles_match_the_sidebar(office, model, word):
    address = reverse(f"admin:{model}_changelist")
    heading = office.get(address).text.partition("<h1")[2].partition("</h1>")[0]
    assert f'<a href="{address}">{word}</a>' in heading
