"""Fill a database with a demonstration: a programme, people, and three weeks of sales."""

from argparse import SUPPRESS, ArgumentParser
from datetime import date, timedelta
from itertools import pairwise
from random import Random
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.models import User
from bookings.models import Booking
from bookings.seat_choice import SingleSeatGap
from bookings.services import book_seats
from bookings.transactions import in_transaction
from catalog.models import Seat, SeatCategory, Show, Theatre
from demo.accounts import CUSTOMER, DEMO_ACCOUNTS, make_demo_accounts
from demo.sales import Crowd, sell_demo_seats

AMOUNTS = {"theatres": 3, "screens": 3, "movies": 8}
PAST, PRESENT = {"shows_per_day": 2}, {"shows_per_day": 3}
# The first page compares with the week before the last Monday.
DAYS_BEFORE, DAYS_AHEAD = 14, 7
AUDIENCE = (
    *("Amal Haddad", "Bruno Costa", "Chiara Conti", "Dewi Lestari", "Ewa Nowak", "Femi Adeyemi"),
    *("Grete Huber", "Hana Sato", "Ines Duarte", "Jonas Berg", "Katya Orlova", "Liam Byrne"),
    *("Mei Chen", "Nils Aalto", "Oona Murphy", "Priya Nair", "Quentin Roux", "Rosa Delgado"),
)
VISITS_OF_THE_CUSTOMER = 30  # every so many shows one, or the list of bookings is endless
SHOWS_PER_THEATRE = 2
PARTIES = (2, 4, 2, 3, 5, 2, 2, 6, 3, 4)  # the demo customer comes first


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
                "seed_demo makes accounts whose passwords everybody knows, so it runs only with "
                "DEVELOPMENT=1. For a programme without people, use seed_showtimes."
            )
        # Of UTC: clocks ahead of it have begun the next day, hence one more.
        today = timezone.now().date()
        self._programme(today - timedelta(days=DAYS_BEFORE), DAYS_BEFORE, PAST, options)
        self._programme(today, DAYS_AHEAD + 1, PRESENT, options)
        make_demo_accounts()
        _hire()
        customer, audience = _demo_person(CUSTOMER), _audience()
        sold = sum(_fill(show, [customer, *audience]) for show in _first_shows_of_tomorrow())
        sold += _sell_the_rest(customer, audience)
        self.stdout.write(f"Booked {sold} seats for the demonstration's people.")

    def _programme(
        self, first: date, days: int, shows: dict[str, int], options: dict[str, Any]
    ) -> None:
        call_command(
            "seed_showtimes",
            **AMOUNTS,
            **shows,
            start_date=first.isoformat(),
            days=days,
            verbosity=options["verbosity"],
            stdout=self.stdout,
        )


def _hire() -> None:
    """Let the demonstration's clerks work in the first theatre, those who plan in all."""
    theatres = list(Theatre.objects.order_by("pk")[: AMOUNTS["theatres"]])
    for role, places in {
        "Usher": theatres[:1],
        "Box office": theatres[:1],
        "Programmer": theatres,
        "Manager": theatres,
    }.items():
        _demo_person(role).theatres.add(*places)


def _demo_person(role: str) -> User:
    email = next(account.email for account in DEMO_ACCOUNTS if account.role == role)
    return User.objects.get(email=email)


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


def _sell_the_rest(customer: User, audience: list[User]) -> int:
    """Sell seats of all shows that nobody has bought any of; return how many.

    The customer goes to some of those that are over: for those to come, as many seats as
    one person may have are left to try it out.
    """
    theatres = list(Theatre.objects.order_by("pk")[: AMOUNTS["theatres"]])
    clerks = {theatre.pk: _demo_person("Manager") for theatre in theatres}
    clerks[theatres[0].pk] = _demo_person("Box office")
    crowd = Crowd(customers=audience, clerks=clerks)
    now = timezone.now()
    days = (now - timedelta(days=DAYS_BEFORE + 1), now + timedelta(days=DAYS_AHEAD))
    unsold = (
        Show.objects.listed()
        .filter(~Exists(Booking.objects.filter(show=OuterRef("pk"))))
        .filter(theatre__in=theatres, start_time__range=days)
        .select_related("movie", "theatre", "screen")
    )
    sold = 0
    for index, show in enumerate(unsold):
        is_visit = index % VISITS_OF_THE_CUSTOMER == 0 and show.start_time < now
        sold += sell_demo_seats(show, crowd, first=customer if is_visit else None)
    return sold


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
