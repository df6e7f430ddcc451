"""Every page of the back office needs as many queries in a large theatre as in a small one.

The pages are those of `back_office_rights.txt`, so that none is forgotten.
"""

from datetime import timedelta
from http import HTTPStatus
from uuid import uuid4

from axes.models import AccessAttempt
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import audit
from accounts.mails import send_confirmation
from accounts.models import SignIn, User
from accounts.roles import ensure_roles
from bookings.models import Booking, Hold, Order
from catalog.models import Movie, PriceCard, Screen, Seat, Show
from catalog.programme.days import business_day, monday_of
from tests.factories import (
    MovieFactory,
    PriceCardFactory,
    ScreenFactory,
    ShowFactory,
    TheatreFactory,
    UserFactory,
    make_seats,
)
from tests.test_back_office_rights import Row, address, make_sample, rows

# The least number of pages that show a list, a form or a drawing.
SEEN = (HTTPStatus.OK, HTTPStatus.CONFLICT)


def put_on_a_screen(show: Show, screen: Screen, hours: int = 0) -> None:
    start = show.start_time + timedelta(hours=hours)
    end = start + timedelta(minutes=90)  # not the movie's current duration
    Show.objects.filter(pk=show.pk).update(
        screen=screen, start_time=start, end_time=end, occupied_until=end + timedelta(minutes=10)
    )


def sell(show: Show, seats: list[Seat], person: User, number: int) -> None:
    order = Order.objects.create(
        reference=f"GR0W-{number:04}", user=person, show=show, total="24.00", currency="USD"
    )
    for seat, cancelled in zip(seats, (None, timezone.now()), strict=True):
        Booking.objects.create(
            user=person, show=show, seat=seat, order=order, price="12.00", cancelled_at=cancelled
        )
    Seat.objects.filter(pk=seats[0].pk).update(status="booked")


def grow(show: Show, screen: Screen, order: Order) -> None:
    """Add many rows to the show, its theatre and the other tables."""
    soon = timezone.now() + timedelta(hours=1)
    for n in range(12):
        person = UserFactory(is_staff=bool(n % 2))
        show.theatre.staff.add(person)
        TheatreFactory().staff.add(person)
        SignIn.objects.create(user=person, token_id=uuid4(), expires_at=soon)
        TOTPDevice.objects.create(user=person, name="app")
        AccessAttempt.objects.create(username=f"more{n}", failures_since_start=1)
        Group.objects.create(name=f"More {n}").user_set.add(person)
        send_confirmation.enqueue(person.pk)
        PriceCardFactory()
        seats = make_seats(ShowFactory(movie=show.movie, theatre=show.theatre), "SSPPWC")
        put_on_a_screen(seats[0].show, screen, hours=3 * (n + 1))
        put_on_a_screen(
            ShowFactory(movie=MovieFactory(), theatre=show.theatre),
            ScreenFactory(theatre=show.theatre),
        )
        sell(seats[0].show, seats[:2], person, n)
        Hold.objects.create(
            user=person,
            show=show,
            seat_ids=[seat.pk for seat in seats],
            expires_at=soon,
            max_expires_at=soon,
        )
    more = make_seats(ShowFactory(theatre=show.theatre, movie=show.movie), "S" * 30)
    Seat.objects.filter(show=more[0].show).update(show=show, row="Z")
    for n, seat in enumerate(more[:20:2]):
        sell(show, [seat, more[2 * n + 1]], UserFactory(), 100 + n)
    own = Booking.objects.filter(show=show, order__reference__startswith="GR0W")
    own.filter(pk__in=list(own.values_list("pk", flat=True)[:6])).update(order=order)


def queries(client: Client, target: str) -> tuple[int, int]:
    client.get(target)  # fills the caches
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(target)
    return answer.status_code, len(captured)


def test_no_page_needs_more_queries_in_a_large_theatre(office: Client, staff: User) -> None:
    ensure_roles()
    sample = make_sample(1)
    [screen] = Screen.objects.all()
    put_on_a_screen(sample.show, screen)
    sample.theatre.staff.add(staff)
    monday = monday_of(
        business_day(Show.objects.get(pk=sample.show.pk).start_time, sample.theatre.zone)
    )

    def visits(row: Row) -> str:
        return address(row, sample, week=f"{monday}")

    kinds = (*sample.objects.values(), staff)
    for kind in kinds:
        audit.record(actor=staff, action="looked_at", subject=kind)
    pages = [visits(row) for row in rows() if row.action == "get" and "logout" not in row.route]
    pages += [
        f"/admin/catalog/show/?when=all&q={sample.show.movie.title[:3]}",
        "/admin/search/?s=e",
    ]
    small = {page: queries(office, page) for page in pages}
    small = {page: found for page, found in small.items() if found[0] in SEEN}
    grow(sample.show, screen, sample.order)
    for kind in kinds:
        for _ in range(12):
            audit.record(actor=staff, action="looked_at", subject=kind)
    large = {page: queries(office, page) for page in small}
    assert {page: (small[page], large[page]) for page in small if small[page] != large[page]} == {}
    assert Movie.objects.count() > 10 < PriceCard.objects.count()  # or nothing was compared
    assert len(small) > 60
