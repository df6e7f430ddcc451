"""Which theatres staff have access to."""

from django.contrib.auth.models import AnonymousUser, Permission

from accounts.models import User
from catalog.staff import theatres_of
from tests.factories import TheatreFactory, UserFactory


def test_staff_have_access_to_their_theatres(db):
    here, _elsewhere = TheatreFactory.create_batch(2)
    clerk = UserFactory(is_staff=True)
    assert not theatres_of(clerk).exists()
    here.staff.add(clerk)
    assert list(theatres_of(clerk)) == [here]


def test_some_roles_have_access_to_all_theatres(db):
    theatres = TheatreFactory.create_batch(2)
    inspector = UserFactory(is_staff=True)
    inspector.user_permissions.add(Permission.objects.get(codename="work_everywhere"))
    for user in (User.objects.get(pk=inspector.pk), UserFactory(is_superuser=True)):
        assert set(theatres_of(user)) == set(theatres)


def test_anonymous_users_have_access_to_none(db):
    TheatreFactory()
    assert not theatres_of(AnonymousUser()).exists()
