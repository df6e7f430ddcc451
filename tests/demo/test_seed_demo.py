"""The demo data: accounts, a programme and sales, never in production."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now
from django.utils.timezone import now

from accounts.models import User
from bookings.integrity.invariants import examine
from bookings.models import Booking, Channel, Order
from catalog.models import Seat, SeatStatus, Show, Theatre
from demo.accounts import DEMO_ACCOUNTS
from demo.management.commands import seed_demo as command
from reports.dashboard import weeks

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    amounts = {"theatres": 2, "screens": 1, "movies": 4}
    monkeypatch.setattr(command, "AMOUNTS", amounts)
    monkeypatch.setattr(command, "PRESENT", command.PAST)


def seed_demo() -> str:
    out = StringIO()
    call_command("seed_demo", verbosity=0, stdout=out)
    return out.getvalue()


def test_past_weeks_and_the_coming_days_are_sold_and_a_second_run_changes_nothing() -> None:
    first = seed_demo()
    booked = Booking.objects.count()
    assert f"Booked {booked} seats" in first
    assert booked == Seat.objects.filter(status=SeatStatus.BOOKED).count() > 500
    assert [finding for finding in examine() if finding.count] == []
    theatres = Theatre.objects.all()
    for moment in (now() - timedelta(days=13), now(), now() + timedelta(days=1)):
        for theatre in theatres:
            day = Show.objects.filter(theatre=theatre).on_local_day(moment.date())
            assert Booking.objects.filter(show__in=day).exists()
    assert {*Order.objects.values_list("channel", flat=True)} == {*Channel.values}
    assert not Order.objects.filter(created_at__gt=Now()).exists()
    assert not Order.objects.filter(created_at__gt=F("show__start_time")).exists()
    for week in weeks(theatres):
        assert week.last_week.gross
    mine = Booking.objects.filter(user__email=DEMO_ACCOUNTS[0].email)
    assert mine.filter(show__start_time__lt=Now()).exists()
    assert mine.filter(show__start_time__gt=Now()).exists()
    full = ~Exists(Seat.objects.free().filter(show=OuterRef("pk")))
    assert not Show.objects.filter(full).exists()
    counter = Order.objects.filter(channel=Channel.BOX_OFFICE)
    assert not counter.exclude(sold_by__theatres=F("show__theatre")).exists()
    assert counter.values("sold_by").distinct().order_by().count() == 2
    later = Show.objects.get(sales_open_at__gt=Now())
    assert not Booking.objects.filter(show=later).exists()
    everything = [model.objects.count() for model in (User, Show, Seat, Booking)]
    assert seed_demo() == ("Nothing was missing.\n" * 2 + "Booked 0 seats for demo customers.\n")
    assert [model.objects.count() for model in (User, Show, Seat, Booking)] == everything


def test_only_the_printed_accounts_can_log_in() -> None:
    seed_demo()
    printed = {account.email for account in DEMO_ACCOUNTS}
    assert {user.email for user in User.objects.all() if user.has_usable_password()} == printed


def test_it_refuses_to_run_in_production(settings: Any) -> None:
    settings.DEVELOPMENT = False
    with pytest.raises(CommandError, match="DEVELOPMENT=1"):
        seed_demo()
    assert not User.objects.exists()
    assert not Show.objects.exists()
