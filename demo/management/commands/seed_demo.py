"""Fill a database with demo data: a programme, accounts, and three weeks of sales."""

from argparse import SUPPRESS, ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from bookings.models import Booking
from catalog.models import Show, Theatre
from demo.accounts import CUSTOMER, DEMO_ACCOUNTS, make_demo_accounts
from demo.sales import sell_demo_seats

AMOUNTS = {"theatres": 3, "screens": 3, "movies": 8}
PAST, PRESENT = {"shows_per_day": 2}, {"shows_per_day": 3}
# The first page compares with the week before the last Monday.
DAYS_BEFORE, DAYS_AHEAD = 14, 7
AUDIENCE = (
    *("Amal Haddad", "Bruno Costa", "Chiara Conti", "Dewi Lestari", "Ewa Nowak", "Femi Adeyemi"),
    *("Grete Huber", "Hana Sato", "Ines Duarte", "Jonas Berg", "Katya Orlova", "Liam Byrne"),
    *("Mei Chen", "Nils Aalto", "Oona Murphy", "Priya Nair", "Quentin Roux", "Rosa Delgado"),
)
# The demo customer visits one in this many past shows, and the first shows of tomorrow.
SHOWS_PER_VISIT = 30
VISITS_TOMORROW = 2
# The online sales of one show start this long before the show.
SALES_START_BEFORE = timedelta(days=2)


class Command(BaseCommand):
    help = (
        "Create an invented programme, accounts with known passwords for every role, and sales "
        "of the past two weeks and the coming days. Refuses to run in production."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.usage = SUPPRESS  # so a mistake is one line

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEVELOPMENT:
            raise CommandError(
                "seed_demo creates accounts with published passwords, so it runs only with "
                "DEVELOPMENT=1. To create only a programme, use seed_showtimes."
            )
        # In UTC: east of it the next day may have begun, hence one day more.
        today = timezone.now().date()
        for first, days, shows in (
            (today - timedelta(days=DAYS_BEFORE), DAYS_BEFORE, PAST),
            (today, DAYS_AHEAD + 1, PRESENT),
        ):
            call_command(
                "seed_showtimes",
                **AMOUNTS,
                **shows,
                start_date=first.isoformat(),
                days=days,
                verbosity=options["verbosity"],
                stdout=self.stdout,
            )
        make_demo_accounts()
        _assign_staff()
        _open_sales_later()
        self.stdout.write(f"Booked {_sell(_audience())} seats for demo customers.")


def _theatres() -> list[Theatre]:
    return list(Theatre.objects.order_by("pk")[: AMOUNTS["theatres"]])


def _assign_staff() -> None:
    """Assign the demo's ushers and clerks to the first theatre, programmers and managers to all."""
    theatres = _theatres()
    for role, places in {
        "Usher": theatres[:1],
        "Box office": theatres[:1],
        "Programmer": theatres,
        "Manager": theatres,
    }.items():
        _demo_user(role).theatres.add(*places)


def _demo_user(role: str) -> User:
    email = next(account.email for account in DEMO_ACCOUNTS if account.role == role)
    return User.objects.get(email=email)


def _audience() -> list[User]:
    """Return customers who only fill seats: without a password they can't log in."""
    users = []
    for name in AUDIENCE:
        email = f"{name.split()[0].lower()}@example.com"
        user = User.objects.filter(email=email).first()
        users.append(
            user
            or User.objects.create_user(name=name, email=email, email_confirmed_at=timezone.now())
        )
    return users


def _open_sales_later() -> None:
    """Let the online sales of one show start in the future, unless those of a show already do."""
    shows = Show.objects.listed().filter(theatre__in=_theatres())
    if not shows.filter(sales_open_at__gt=Now()).exists():
        last = shows.exclude(Exists(Booking.objects.filter(show=OuterRef("pk")))).last()
        if last:
            last.sales_open_at = last.start_time - SALES_START_BEFORE
            last.save()


def _sell(audience: list[User]) -> int:
    """Sell seats of the shows that have no bookings; return how many.

    The demo customer visits few upcoming shows, to stay below the limits of one customer.
    """
    theatres = _theatres()
    clerks = {theatre.pk: _demo_user("Manager") for theatre in theatres}
    clerks[theatres[0].pk] = _demo_user("Box office")
    customer, visits = _demo_user(CUSTOMER), _visits_tomorrow(theatres)
    now = timezone.now()
    days = (now - timedelta(days=DAYS_BEFORE + 1), now + timedelta(days=DAYS_AHEAD))
    unsold = (
        Show.objects.listed()
        .filter(~Exists(Booking.objects.filter(show=OuterRef("pk"))))
        .filter(theatre__in=theatres, start_time__range=days)
        .exclude(sales_open_at__gt=Now())
        .select_related("movie", "theatre", "screen")
    )
    sold = 0
    for index, show in enumerate(unsold):
        is_past_visit = index % SHOWS_PER_VISIT == 0 and show.start_time < now
        sold += sell_demo_seats(
            show,
            customers=audience,
            clerk=clerks[show.theatre_id],
            first=customer if is_past_visit or show.pk in visits else None,
        )
    return sold


def _visits_tomorrow(theatres: list[Theatre]) -> set[int]:
    visits: set[int] = set()
    for theatre in theatres:
        tomorrow = timezone.localdate(timezone=theatre.zone) + timedelta(days=1)
        shows = Show.objects.listed().filter(theatre=theatre).on_local_day(tomorrow)
        visits |= {show.pk for show in shows.order_by("start_time", "pk")[:VISITS_TOMORROW]}
    return visits
