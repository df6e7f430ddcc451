"""Fill an empty database with a demonstration: a programme, people, and rooms half sold."""

from argparse import SUPPRESS, ArgumentParser
from datetime import timedelta
from itertools import pairwise
from random import Random
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.demo import DEMO_ACCOUNTS, make_demo_accounts
from accounts.models import User
from bookings.models import Booking
from bookings.seat_choice import SingleSeatGap
from bookings.services import book_seats
from bookings.transactions import in_transaction
from catalog.models import Seat, SeatCategory, Show, Theatre

AMOUNTS = {"theatres": 3, "screens": 3, "movies": 8, "days": 7, "shows_per_day": 3}
AUDIENCE = ("Amal Haddad", "Bruno Costa", "Chiara Conti", "Dewi Lestari", "Ewa Nowak")
SHOWS_PER_THEATRE = 2
PARTIES = (2, 4, 2, 3, 5, 2, 2, 6, 3, 4)  # the demo customer comes first


class Command(BaseCommand):
    help = (
        "Create an invented programme, accounts with known passwords for every role, and some "
        "bookings for tomorrow. Refuses to run in production."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.usage = SUPPRESS  # so a mistake is one line

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEVELOPMENT:
            raise CommandError(
                "seed_demo makes accounts whose passwords everybody knows, so it runs only with "
                "DEVELOPMENT=1. For a programme without people, use seed_showtimes."
            )
        call_command(
            "seed_showtimes", **AMOUNTS, verbosity=options["verbosity"], stdout=self.stdout
        )
        make_demo_accounts()
        _hire()
        people = [User.objects.get(email=DEMO_ACCOUNTS[0].email), *_audience()]
        sold = sum(_fill(show, people) for show in _first_shows_of_tomorrow())
        self.stdout.write(f"Booked {sold} seats for the demonstration's people.")


def _hire() -> None:
    """Let the demonstration's clerks work in the first theatre, those who plan in all."""
    theatres = list(Theatre.objects.order_by("pk")[: AMOUNTS["theatres"]])
    for role, places in {
        "Usher": theatres[:1],
        "Box office": theatres[:1],
        "Programmer": theatres,
        "Manager": theatres,
    }.items():
        email = next(account.email for account in DEMO_ACCOUNTS if account.role == role)
        User.objects.get(email=email).theatres.add(*places)


def _audience() -> list[User]:
    """Return people who only fill seats: without a password they cannot log in."""
    people = []
    for name in AUDIENCE:
        email = f"{name.split()[0].lower()}@example.com"
        person = User.objects.filter(email=email).first()
        people.append(
            person
            or User.objects.create_user(name=name, email=email, email_confirmed_at=timezone.now())
        )
    return people


def _first_shows_of_tomorrow() -> list[Show]:
    shows: list[Show] = []
    for theatre in Theatre.objects.order_by("pk")[: AMOUNTS["theatres"]]:
        tomorrow = timezone.localdate(timezone=theatre.zone) + timedelta(days=1)
        listed = Show.objects.listed().filter(theatre=theatre).on_local_day(tomorrow)
        shows += listed.order_by("start_time", "pk")[:SHOWS_PER_THEATRE]
    return shows


def _fill(show: Show, people: list[User]) -> int:
    """Sell seats to a few parties, unless somebody has bought any; return how many."""
    if Booking.objects.filter(show=show).exists():
        return 0
    random = Random(str(show))  # noqa: S311 - no secret
    sold = 0
    for index, size in enumerate(PARTIES):
        runs = _free_runs(show, size)
        if not runs:
            break
        user = people[index % len(people)]
        _buy(user=user, show=show, seat_ids=random.choice(runs))
        sold += size
    return sold


def _free_runs(show: Show, size: int) -> list[list[int]]:
    """Return all choices of `size` free seats side by side, wheelchair places left alone."""
    seats = list(
        Seat.objects.filter(show=show, category__in=(SeatCategory.STANDARD, SeatCategory.PREMIUM))
        .free()
        .order_by("y", "x")
    )
    spans = [seats[start : start + size] for start in range(len(seats) - size + 1)]
    return [[seat.pk for seat in span] for span in spans if _side_by_side(span)]


def _side_by_side(seats: list[Seat]) -> bool:
    places = [(seat.y, seat.x or 0) for seat in seats]
    return all(left[0] == right[0] and left[1] + 1 == right[1] for left, right in pairwise(places))


def _buy(*, user: User, show: Show, seat_ids: list[int]) -> None:
    try:
        _book(user=user, show=show, seat_ids=seat_ids)
    except SingleSeatGap as gap:
        _book(user=user, show=show, seat_ids=gap.facts["alternatives"][0])


def _book(*, user: User, show: Show, seat_ids: list[int]) -> None:
    def work() -> None:
        buyer = User.objects.select_for_update(of=("self",), no_key=True).get(pk=user.pk)
        book_seats(user=buyer, show_id=show.pk, seat_ids=seat_ids, with_mail=False)

    in_transaction(work)
