"""Password hashes, also those of the original system."""

import pytest
from django.contrib.auth.hashers import check_password, make_password

from accounts.models import User
from tests.accounts.conftest import PASSWORD
from tests.factories import UserFactory

# "four lions at the gate" in bcrypt of cost 4, with the prefixes that bcryptjs has written
ORIGINAL = {
    "2b": "$2b$04$LdqMvsFyrhZdElljhhcE/uTJbCeFSQIPZHXUn2UFvSALtxTvqkZRu",
    "2a": "$2a$04$F54dzm9zoJXJKX5xiK9Are8BU2DR.5BgRpeh/z3f8KfQlvVMXHkzq",
}


# The same, as the site made them when they took 19 MiB.
EARLIER = (
    "argon2$argon2id$v=19$m=19456,t=2,p=1$"
    "YVNhbHRBc0xvbmdBc0RqYW5nb3MyMg$XhhVLpLZQ9httYd36Blk+ClP5JBLs6+Fmc+XGdFWXlU"
)


def test_new_hashes_are_argon2id_of_7_mib_five_rounds_one_lane():
    assert make_password(PASSWORD).startswith("argon2$argon2id$v=19$m=7168,t=5,p=1$")


@pytest.mark.parametrize("kind", ORIGINAL)
def test_an_original_hash_verifies(kind):
    assert check_password(PASSWORD, f"bcrypt${ORIGINAL[kind]}")
    assert not check_password("another", f"bcrypt${ORIGINAL[kind]}")


@pytest.mark.parametrize("kind", ORIGINAL)
def test_a_login_replaces_an_original_hash(db, call, kind):
    user = UserFactory(email="lena@example.com")
    User.objects.filter(pk=user.pk).update(password=f"bcrypt${ORIGINAL[kind]}")
    body = {"email": "lena@example.com", "password": PASSWORD}
    assert call("login", {**body, "password": "wrong"}).status_code == 401
    user.refresh_from_db()
    assert user.password.startswith("bcrypt$")
    assert call("login", body).status_code == 200
    user.refresh_from_db()
    assert user.password.startswith("argon2$")
    assert call("login", body).status_code == 200


def test_a_login_replaces_a_hash_with_other_parameters(db, call):
    user = UserFactory(email="lena@example.com")
    User.objects.filter(pk=user.pk).update(password=EARLIER)
    body = {"email": "lena@example.com", "password": PASSWORD}
    assert call("login", body).status_code == 200
    user.refresh_from_db()
    assert user.password.startswith("argon2$argon2id$v=19$m=7168,t=5,p=1$")
    assert call("login", body).status_code == 200


def test_a_login_that_replaces_a_hash_lasts(db, client):
    """The back office compares each session with the stored hash."""
    user = UserFactory(email="lena@example.com", is_staff=True)
    User.objects.filter(pk=user.pk).update(password=EARLIER)
    login = {"username": user.email, "password": PASSWORD}
    assert client.post("/admin/login/?next=/admin/", login).status_code == 302
    assert User.objects.get().password != EARLIER
    assert client.get("/admin/").status_code == 200


def test_replacing_a_hash_does_not_undo_a_changed_password(db):
    user = UserFactory()
    User.objects.filter(pk=user.pk).update(password=f"bcrypt${ORIGINAL['2b']}")
    user.refresh_from_db()
    changed = make_password("another password")
    User.objects.filter(pk=user.pk).update(password=changed)  # meanwhile, on another server
    assert user.check_password(PASSWORD)
    assert User.objects.get().password == changed


def test_above_72_bytes_an_original_hash_never_matches():
    """The original cut passwords there, so that any longer one matched its beginning."""
    beginning = "lion" * 18
    encoded = make_password(beginning, hasher="bcrypt")
    assert check_password(beginning, encoded)
    assert not check_password(beginning + "!", encoded)
    assert not check_password(beginning[:-1] + "é", encoded)


def test_a_long_password_is_not_truncated():
    encoded = make_password("lion" * 100)
    assert check_password("lion" * 100, encoded)
    assert not check_password("lion" * 99, encoded)
