"""The demonstration: people, a programme and half-sold rooms, never in production."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.demo import DEMO_ACCOUNTS
from accounts.models import User
from bookings.models import Booking, Order
from catalog.models import Seat, SeatStatus, Show

pytestmark = pytest.mark.django_db


def seed_demo() -> str:
    out = StringIO()
    call_command("seed_demo", verbosity=0, stdout=out)
    return out.getvalue()


def test_rooms_are_half_sold_and_a_second_run_changes_nothing() -> None:
    first = seed_demo()
    booked = Booking.objects.count()
    assert f"Booked {booked} seats" in first
    assert booked == Seat.objects.filter(status=SeatStatus.BOOKED).count() > 100
    assert Booking.objects.values("show").distinct().count() == 6
    assert Order.objects.filter(user__email=DEMO_ACCOUNTS[0].email).exists()
    everything = [model.objects.count() for model in (User, Show, Seat, Booking)]
    assert seed_demo() == (
        "Everything was there already.\nBooked 0 seats for the demonstration's people.\n"
    )
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
