"""A counted show is never wrong: every change of its figures deletes the count at once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Event
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from bookings.models import Booking, Channel, Order
from catalog.models import Seat, SeatQuerySet, Show, Theatre
from reports.models import CountedSales, CountedShow
from reports.queries import Dimension, Report, report
from reports.summaries import count_shows
from tests.reports.sold import played, sell

pytestmark = pytest.mark.django_db(transaction=True)

EVENING = datetime(2026, 3, 10, 19, tzinfo=UTC)
# Transactions of other test processes on the same server are waited for too.
TIMEOUT = 300.0


def count() -> int:
    return count_shows(batch=100, timeout=TIMEOUT)


def every_report() -> list[Report]:
    theatres = Theatre.objects.all()
    first, last = EVENING.date(), EVENING.date() + timedelta(days=40)
    return [
        report(dimension=dimension, theatres=theatres, first=first, last=last)
        for dimension in Dimension
    ]


def counted_by_hand() -> list[Report]:
    """Return the reports without any counted show; then restore the counts."""
    with transaction.atomic():
        CountedShow.objects.all().delete()
        found = every_report()
        transaction.set_rollback(True)
    return found


def is_counted(show: Show) -> bool:
    return CountedShow.objects.filter(show=show, counted_at__isnull=False).exists()


def move(show: Show, *, days: int) -> None:
    start = EVENING + timedelta(days=days)
    Show.objects.filter(pk=show.pk).update(start_time=start, end_time=start + timedelta(hours=2))


@pytest.fixture
def show(db: None) -> Show:
    """A past show that is counted, with three of five seats sold."""
    show = played(EVENING, "SSSSS")
    sell(show, 2)
    sell(show, 1, channel=Channel.BOX_OFFICE)
    assert count() == 1
    return show


def test_a_counted_show_is_not_counted_again_and_reports_the_same(show):
    assert is_counted(show)
    assert CountedSales.objects.count() == 2
    assert every_report() == counted_by_hand()
    assert count() == 0


def test_reports_use_the_counted_sales(show):
    """Guards the other tests, which prove nothing if reports do not use the counts."""
    CountedSales.objects.filter(channel=Channel.WEB).update(admissions=77)
    assert every_report() != counted_by_hand()


def test_shows_are_counted_a_day_after_their_end(db):
    for hours in (-1, 0, 20):
        played(timezone.now() - timedelta(hours=hours), "S")
    played(EVENING, "S", status="cancelled")
    assert count() == 0


def cancel_one(show: Show) -> None:
    one = Booking.objects.filter(show=show)[:1]
    Booking.objects.filter(pk__in=one.values("pk")).update(cancelled_at=timezone.now())


CHANGES: dict[str, Callable[[Show], Any]] = {
    "a sale": lambda show: sell(show, 1),
    "a cancellation": cancel_one,
    "a changed price": lambda show: Booking.objects.filter(show=show).update(price="3.00"),
    "a deleted booking": lambda show: Booking.objects.filter(show=show).delete(),
    "another channel": lambda show: Order.objects.filter(show=show).update(channel="box_office"),
    "another currency": lambda show: Order.objects.filter(show=show).update(currency="CHF"),
    "a blocked seat": lambda show: free_seats(show).update(status="blocked"),
    "a new seat": lambda show: Seat.objects.create(show=show, row="Z", number=1, price="9.00"),
    "a deleted seat": lambda show: free_seats(show).delete(),
}


def free_seats(show: Show) -> SeatQuerySet:
    return Seat.objects.filter(show=show, status="available")


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_the_figures_deletes_the_count(change, show):
    other = played(EVENING, "SS")
    sell(other, 1)
    assert count() == 1
    before = every_report()
    CHANGES[change](show)
    assert not is_counted(show)
    assert is_counted(other)
    now = every_report()
    assert now == counted_by_hand() != before
    assert count() == 1
    assert every_report() == now


def test_a_change_that_is_rolled_back_leaves_the_count(show):
    with transaction.atomic():
        sell(show, 1)
        transaction.set_rollback(True)
    assert is_counted(show)
    assert every_report() == counted_by_hand()


def test_unblocking_a_seat_deletes_the_count(show):
    Seat.objects.filter(show=show, status="available").update(status="blocked")
    assert count() == 1
    Seat.objects.filter(show=show, status="blocked").update(status="available")
    assert not is_counted(show)


def test_a_counted_show_can_be_moved_and_deleted(show):
    move(show, days=3)
    assert is_counted(show)
    assert every_report() == counted_by_hand()
    with connection.cursor() as cursor:
        for table in ("bookings", "orders", "seats"):
            cursor.execute(f"DELETE FROM {table}")
        assert count() == 1
        cursor.execute("DELETE FROM shows")
    assert not CountedShow.objects.exists()


def test_counting_waits_for_a_writer_that_could_not_see_the_mark(race, show):
    """Without the wait, the sale that is committed last would never be counted."""
    late = played(EVENING, "SS")
    sold, counted = Event(), Event()

    def sale() -> None:
        with transaction.atomic():
            sell(late, 1)
            sold.set()
            assert counted.wait(TIMEOUT)

    def count_impatiently() -> int:
        assert sold.wait(TIMEOUT)
        try:
            return count_shows(batch=100, timeout=0)
        finally:
            counted.set()

    assert race([sale, count_impatiently]) == [None, 0]
    assert CountedShow.objects.filter(show=late, counted_at=None).exists()
    assert every_report() == counted_by_hand()
    assert count() == 1
    assert every_report() == counted_by_hand()


def test_a_sale_that_found_the_mark_is_not_missed(race, show):
    late = played(EVENING, "SS")
    CountedShow.objects.create(show=late)
    sold, counted = Event(), Event()

    def sale() -> None:
        with transaction.atomic():
            sell(late, 1)
            sold.set()
            assert counted.wait(TIMEOUT)

    def lock_and_count() -> None:
        assert sold.wait(TIMEOUT)
        with connection.cursor() as cursor:
            cursor.execute("SELECT show_id FROM counted_shows FOR UPDATE SKIP LOCKED")
            assert (late.pk,) not in cursor.fetchall()
        counted.set()

    assert race([sale, lock_and_count]) == [None, None]
    assert not CountedShow.objects.filter(show=late).exists()


def test_only_one_process_counts_at_a_time(race, db):
    played(EVENING, "S")
    found = race([count, count, count])
    assert sorted(found) == [0, 0, 1]


def test_reports_agree_with_the_bookings_after_any_history(db):
    random = Random(4)  # noqa: S311 - no secret
    shows = [played(EVENING + timedelta(days=n), "SSSSSSSS") for n in range(6)]
    for _ in range(40):
        show = random.choice(shows)
        live = Booking.objects.filter(show=show, cancelled_at=None)
        free = Seat.objects.filter(show=show, status="available")
        match random.randrange(5):
            case 0 if free.count() > 1:
                sell(show, random.randint(1, 2), channel=random.choice(Channel.values))
            case 1 if booking := live.first():
                Booking.objects.filter(pk=booking.pk).update(cancelled_at=timezone.now())
                Seat.objects.filter(pk=booking.seat_id).update(status="available")
            case 2 if seat := free.first():
                Seat.objects.filter(pk=seat.pk).update(status="blocked")
            case 3:
                move(show, days=random.randrange(30))
            case _:
                count_shows(batch=random.randint(1, 3), timeout=TIMEOUT)
        assert every_report() == counted_by_hand()


def test_the_command_counts_all_in_batches(db, capsys):
    for _ in range(3):
        played(EVENING, "S")
    call_command("count_shows", batch=2, timeout=TIMEOUT)
    assert capsys.readouterr().out == "Counted 3 shows.\n"
    assert CountedShow.objects.filter(counted_at__isnull=False).count() == 3
