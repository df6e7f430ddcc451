"""Who of the staff works where."""

from django.contrib.auth.models import AnonymousUser, Permission

from accounts.models import User
from catalog.staff import theatres_of
from tests.factories import TheatreFactory, UserFactory


def test_staff_see_the_theatres_where_they_work(db):
    here, _elsewhere = TheatreFactory.create_batch(2)
    clerk = UserFactory(is_staff=True)
    assert not theatres_of(clerk).exists()
    here.staff.add(clerk)
    assert list(theatres_of(clerk)) == [here]


def test_some_work_everywhere(db):
    theatres = TheatreFactory.create_batch(2)
    inspector = UserFactory(is_staff=True)
    inspector.user_permissions.add(Permission.objects.get(codename="work_everywhere"))
    for user in (User.objects.get(pk=inspector.pk), UserFactory(is_superuser=True)):
        assert set(theatres_of(user)) == set(theatres)


def test_nobody_sees_no_theatre(db):
    TheatreFactory()
    assert not theatres_of(AnonymousUser()).exists()
