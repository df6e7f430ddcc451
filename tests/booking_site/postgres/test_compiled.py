"""Querysets compiled once give what they would give compiled anew."""

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError
from django.forms import model_to_dict
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from booking_site.postgres.compiled import Compiled, Given
from catalog.models import Seat
from tests.factories import ShowFactory, UserFactory, make_seats


@pytest.fixture
def some_seats() -> Compiled[Seat]:
    def build() -> QuerySet[Seat]:
        wanted = Seat.objects.filter(pk__among=Given("ids"), show_id=Given("show"), row="A")
        return wanted.order_by("-number").select_for_update(of=("self",), no_key=True)

    return Compiled(build)


@pytest.mark.django_db
def test_the_rows_are_those_of_the_queryset_each_time(some_seats: Compiled[Seat]) -> None:
    seats = make_seats(ShowFactory(), "SSSS", "SSSS")
    elsewhere = make_seats(ShowFactory(), "SSSS")
    show_id = seats[0].show_id
    for wanted in (seats[1:6], [*seats[:1], *elsewhere], elsewhere, []):
        ids = [seat.pk for seat in wanted]
        expected = Seat.objects.filter(pk__in=ids, show_id=show_id, row="A").order_by("-number")
        found = some_seats.rows(ids=ids, show=show_id)
        assert [model_to_dict(seat) for seat in found] == [model_to_dict(s) for s in expected]
        assert all(not seat._state.adding and seat._state.db == "default" for seat in found)


@pytest.mark.django_db
def test_it_is_one_statement_and_locks(some_seats: Compiled[Seat]) -> None:
    seats = make_seats(ShowFactory(), "SSSS")
    for seat in seats:
        with CaptureQueriesContext(connection) as queries:
            found = some_seats.first(ids=[seat.pk], show=seat.show_id)
        assert found == seat
        assert len(queries) == 1
        assert queries[0]["sql"].endswith('FOR NO KEY UPDATE OF "seats"')


@pytest.mark.django_db
def test_columns_left_out_are_read_when_they_are_wanted() -> None:
    user = UserFactory()
    found = Compiled(lambda: User.objects.filter(pk=Given("pk")).only("name")).first(pk=user.pk)
    assert found is not None
    assert "email" in found.get_deferred_fields()
    assert (found.name, found.email) == (user.name, user.email)


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_would_keep_nothing_is_refused(some_seats: Compiled[Seat]) -> None:
    for _ in range(2):
        with transaction.atomic():
            assert some_seats.rows(ids=[], show=1) == []
        with pytest.raises(TransactionManagementError):
            some_seats.rows(ids=[], show=1)
