"""Seats that nobody booked are deleted long after their show, and nothing that is shown changes."""

import html
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import User
from bookings.box_office.services import (
    Purchase,
    cancel_at_counter,
    move_at_counter,
    sell_at_counter,
)
from bookings.integrity.invariants import examine
from bookings.models import Booking, Hold, Order
from bookings.services import archiving
from bookings.services.archiving import archive_rooms
from catalog import archived_rooms
from catalog.admin.programme.week import week_address
from catalog.archived_rooms import SeatsArchived, seats_of
from catalog.errors import ShowClosed
from catalog.layouts import parse_layout
from catalog.models import SOLD_BEFORE, ArchivedRoom, Seat, Show, ShowStatus
from catalog.programme.weeks import open_planned
from catalog.repricing import plan_repricing, reprice_unsold
from catalog.seat_maps import block_seats, make_seat_map, replace_seat_map, unblock_seats
from reports.models import CountedShow
from reports.queries import Dimension
from reports.summaries import count_shows
from tests.bookings.calls import book_seats, elsewhere, hold_seats, refusal
from tests.factories import ScreenFactory, ShowFactory, make_seats
from tests.reports.sold import sell

pytestmark = pytest.mark.django_db(transaction=True)

Race = Callable[[Sequence[Callable[[], Any]]], list[Any]]

OVER = timedelta(days=91)
LAYOUT = """\
A    <2+2   .SS..SSW

B           SSSC
= Balcony
A    [7,9]  P..P
10          SSS
"""
PRICES = {
    "standard": Decimal("10.00"),
    "premium": Decimal("15.50"),
    "wheelchair": Decimal("8.00"),
    "companion": Decimal("8.00"),
}


def past_show(**facts: Any) -> Show:
    """Return a show that ended 91 days ago, without seats."""
    end = timezone.now() - OVER
    facts = {"end_time": end, "occupied_until": end} | facts
    show: Show = ShowFactory(start_time=end - timedelta(minutes=100), **facts)
    return show


@pytest.fixture
def show(db: None) -> Show:
    """A show that ended 91 days ago: an order of three seats, one of them cancelled.

    One seat is blocked with a reason, one without, one has another price, and one a hold that
    nobody has ended.
    """
    screen = ScreenFactory()
    show = past_show(screen=screen, theatre=screen.theatre)
    make_seat_map(show_id=show.pk, layout=parse_layout(LAYOUT), prices=PRICES)
    bookings = sell(show, 3)
    Seat.objects.filter(pk=bookings[1].seat_id).update(status="available")
    Booking.objects.filter(pk=bookings[1].pk).update(cancelled_at=timezone.now())
    Order.objects.update(status="partially_cancelled")
    free = list(unsold(show).order_by("-pk"))
    Seat.objects.filter(pk=free[0].pk).update(status="blocked", block_reason="Broken")
    Seat.objects.filter(pk=free[1].pk).update(status="blocked")
    Seat.objects.filter(pk=free[2].pk).update(price="7.25")
    user, end = bookings[0].user, show.start_time
    hold = Hold.objects.create(
        user=user, show=show, seat_ids=[free[3].pk], expires_at=end, max_expires_at=end
    )
    Seat.objects.filter(pk=free[3].pk).update(status="held", hold_id=hold.pk, held_until=end)
    return show


def unsold(show: Show) -> QuerySet[Seat]:
    return show.seats.exclude(pk__in=Booking.objects.values("seat"))


def broken() -> list[str]:
    return [found.invariant.name for found in examine() if found.is_violation]


def addresses(show: Show) -> Iterator[str]:
    """Yield every page and every answer of the API that counts or draws the seats of a show."""
    order = Order.objects.get()
    booking = order.bookings.filter(cancelled_at=None).earliest("pk")
    day = show.start_time.astimezone(show.theatre.zone).date()
    yield f"/api/shows/{show.pk}"
    yield f"/api/shows/{show.pk}/seats"
    yield "/api/shows?include_past=true"
    yield f"/api/movies/{show.movie_id}/shows?include_past=true"
    yield f"/api/theatres/{show.theatre_id}/shows?include_past=true"
    yield f"/api/orders/{order.reference}"
    yield "/api/bookings"
    yield "/api/auth/me/export"
    yield "/admin/"
    yield "/admin/catalog/show/?when=all"
    yield f"/admin/catalog/show/{show.pk}/change/"
    yield reverse("admin:catalog_show_room", args=[show.pk])
    yield reverse("admin:catalog_show_seat_map", args=[show.pk])
    yield week_address(show.theatre, show.start_time)
    span = f"first={day - timedelta(days=3)}&last={day + timedelta(days=3)}"
    for dimension in Dimension:
        yield f"/admin/reports/?by={dimension}&{span}"
        yield f"/admin/reports/?by={dimension}&{span}&download=csv"
    for name, arguments in (
        ("box-office-sell", [show.pk]),
        ("box-office-seats", [show.pk]),
        ("box-office-order", [order.reference]),
        ("box-office-ticket", [order.reference]),
        ("box-office-move", [order.reference, booking.pk]),
    ):
        yield reverse(name, args=arguments)
    yield f"{reverse('box-office')}?day={day}&theatre={show.theatre_id}"
    yield f"/admin/bookings/order/{order.pk}/change/"
    yield "/admin/bookings/booking/"


# Hidden fields of forms, with a new random value on each page.
RANDOM = re.compile(r'name="(csrfmiddlewaretoken|token)" value="\w+"')


def answers(show: Show, office: Client, buyer: APIClient) -> dict[str, str]:
    found = {}
    for address in addresses(show):
        client = buyer if address.startswith("/api") else office
        response = client.get(address)
        if "seat-map" not in address:  # a seat map that exists is a conflict
            assert response.status_code == HTTPStatus.OK, (address, response.content)
        found[address] = RANDOM.sub("", response.text)
    found["anonymous"] = APIClient().get(f"/api/shows/{show.pk}/seats").text
    return found


@pytest.mark.parametrize("is_counted", [False, True])
def test_no_page_and_no_answer_changes(
    show: Show, office: Client, login: Callable[[User], APIClient], is_counted: bool
) -> None:
    """Counted before and after by the worker, or by each report."""
    buyer = login(Order.objects.get().user)

    def count() -> None:
        if is_counted:
            count_shows(batch=10, timeout=15)

    count()
    before = answers(show, office, buyer)
    assert before["anonymous"].count('"available"') > 10
    sold = list(Booking.objects.values_list("seat_id", flat=True))
    assert archive_rooms() == 1
    assert list(show.seats.order_by("pk").values_list("pk", flat=True)) == sorted(sold)
    count()
    assert CountedShow.objects.exists() == is_counted
    after = answers(show, office, buyer)
    assert {address: after[address] for address in before} == before
    assert broken() == []


def test_a_show_without_bookings_has_no_rows_but_the_same_map(api: APIClient) -> None:
    show = past_show()
    make_seats(show, "S.S", "PW", price="3.456")
    before = api.get(f"/api/shows/{show.pk}/seats").json()
    assert archive_rooms() == 1
    assert not show.seats.exists()
    assert api.get(f"/api/shows/{show.pk}/seats").json() == before


def test_seats_of_plain_sql_have_no_positions_before_and_after(api: APIClient) -> None:
    show = past_show()
    places = [("AA", 1), ("A", 4), ("A", 2), ("7", 1)]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO seats (show_id, row, number, price) VALUES (%s, %s, %s, 9)",
            [(show.pk, *place) for place in places],
        )
    before = api.get(f"/api/shows/{show.pk}/seats").json()
    assert archive_rooms() == 1
    assert not show.seats.exists()
    assert api.get(f"/api/shows/{show.pk}/seats").json() == before


@pytest.mark.parametrize(
    "change",
    [
        {"row": "Row one"},
        {"row": "AAA"},
        {"number": 500, "x": 101},
        {"x": None},
        {"y": 70},
        {"x": 0, "y": 0},
    ],
)
def test_a_room_without_a_layout_keeps_its_seats(api: APIClient, change: dict[str, Any]) -> None:
    show = past_show()
    seats = make_seats(show, "SS", "SS")
    Seat.objects.filter(pk=seats[-1].pk).update(**change)
    before = api.get(f"/api/shows/{show.pk}/seats").json()
    assert archive_rooms() == 1
    assert show.seats.count() == 4
    assert api.get(f"/api/shows/{show.pk}/seats").json() == before
    assert "archived_room_complete" not in broken()
    assert archive_rooms() == 0, "it is not examined again"


def test_only_shows_over_for_long_enough_are_archived(settings: Settings) -> None:
    settings.ARCHIVE_AFTER_DAYS = 91
    hour = timedelta(hours=1)
    shows = [
        past_show(),
        past_show(end_time=None),
        ShowFactory(start_time=timezone.now() - OVER - hour, end_time=timezone.now() - OVER + hour),
        ShowFactory(start_time=timezone.now() - OVER + hour, end_time=None),
        ShowFactory(),
    ]
    Show.objects.filter(pk=shows[0].pk).update(end_time=timezone.now() - OVER)
    for each in shows:
        make_seats(each, "SS")
    settings.ARCHIVE_AFTER_DAYS = 0
    assert archive_rooms() == 0
    settings.ARCHIVE_AFTER_DAYS = 91
    assert archive_rooms(at_most=1) == 1
    assert archive_rooms() == 1
    assert set(ArchivedRoom.objects.values_list("show", flat=True)) == {s.pk for s in shows[:2]}


def test_the_command_reports_how_many_shows_it_archived() -> None:
    for _ in range(3):
        make_seats(past_show(), "SS")
    output = StringIO()
    call_command("archive_rooms", at_most=2, stdout=output)
    call_command("archive_rooms", stdout=output)
    assert output.getvalue() == "Archived 2 shows.\nArchived 1 shows.\n"


def test_a_seat_whose_booking_may_still_be_imported_stays() -> None:
    show = past_show()
    first, _ = make_seats(show, "SS")
    Seat.objects.filter(pk=first.pk).update(status="blocked", block_reason=SOLD_BEFORE)
    assert archive_rooms() == 1
    assert show.seats.get() == first


def test_a_seat_with_a_live_hold_stays(show: Show) -> None:
    held = show.seats.get(status="held")
    Seat.objects.filter(pk=held.pk).update(held_until=timezone.now() + timedelta(minutes=5))
    assert archive_rooms() == 1
    assert show.seats.filter(pk=held.pk).exists()


def test_what_is_no_longer_for_sale_is_refused_as_before(
    show: Show, customer: APIClient, staff: User
) -> None:
    seat = unsold(show).filter(status="available").earliest("pk")
    booking = Booking.objects.filter(cancelled_at=None).earliest("pk")
    purchase = Purchase(show_id=show.pk, seat_ids=frozenset([seat.pk]))

    def refusals() -> list[Any]:
        found: list[Any] = [
            refusal(book_seats(customer, seat)),
            refusal(hold_seats(customer, seat)),
        ]
        for attempt in (
            lambda: sell_at_counter(clerk=staff, token="t", purchase=purchase),
            lambda: move_at_counter(clerk=staff, booking=booking, seat_id=seat.pk, reason=""),
        ):
            with pytest.raises(ShowClosed) as error:
                attempt()
            found.append(error.value.message)
        return found

    before = refusals()
    assert before[0] == (409, "show_closed")
    assert archive_rooms() == 1
    assert refusals() == before


def test_the_box_office_can_still_cancel(
    show: Show, staff: User, office: Client, api: APIClient
) -> None:
    archive_rooms()
    order = Order.objects.get()
    live = list(order.bookings.filter(cancelled_at=None))
    cancel_at_counter(
        clerk=staff, order=order, booking_ids=[each.pk for each in live], reason="Illness"
    )
    assert {seat["state"] for seat in api.get(f"/api/shows/{show.pk}/seats").json()} == {
        "available",
        "blocked",
    }
    facts = Show.objects.with_seat_facts().get(pk=show.pk).seat_facts
    size = parse_layout(LAYOUT).size
    assert (facts["total"], facts["available"]) == (size, size - 2)
    assert broken() == []


def test_the_seats_of_an_archived_show_cannot_change(
    show: Show, staff: User, office: Client
) -> None:
    seat = unsold(show).earliest("pk")
    archive_rooms()
    layout = parse_layout("A SS")
    for change in (
        lambda: make_seat_map(show_id=show.pk, layout=layout, prices=PRICES),
        lambda: block_seats(show_id=show.pk, seat_ids=[seat.pk], reason="Broken"),
        lambda: unblock_seats(show_id=show.pk, seat_ids=[seat.pk]),
        lambda: plan_repricing(show_id=show.pk, prices=PRICES),
        lambda: reprice_unsold(show_id=show.pk, prices=PRICES, reason="Premiere"),
    ):
        with pytest.raises(SeatsArchived):
            change()
    Booking.objects.all().delete()  # otherwise it is refused for the sold seats
    show.seats.all().delete()
    with pytest.raises(SeatsArchived):
        replace_seat_map(show_id=show.pk, layout=layout, prices=PRICES)
    room = reverse("admin:catalog_show_room", args=[show.pk])
    page = office.post(room, {"seat": seat.pk, "action": "block", "reason": "x"}, follow=True)
    assert SeatsArchived.message in html.unescape(page.text)


def test_the_form_cannot_move_an_archived_show_that_sold_nothing(office: Client) -> None:
    """Otherwise it would be on sale without its seats."""
    show = past_show()
    make_seats(show, "SS")
    archive_rooms()
    address = reverse("admin:catalog_show_change", args=[show.pk])
    form = office.get(address).context["adminform"].form
    data = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    data |= {"start_0": "2040-01-01", "start_1": "20:00"}
    page = office.post(address, data)
    assert "The seats of this show are archived" in html.unescape(page.text)
    show.refresh_from_db()
    assert show.start_time < timezone.now()


def test_a_planned_show_of_the_past_can_still_be_opened(show: Show) -> None:
    Show.objects.update(status=ShowStatus.PLANNED)
    Booking.objects.all().delete()
    archive_rooms()
    local = show.start_time.astimezone(show.theatre.zone) - timedelta(hours=6)
    monday = local.date() - timedelta(days=local.weekday())
    assert open_planned(theatre=show.theatre, monday=monday, actor=None) == [show]


def test_deleting_a_show_by_plain_sql_deletes_its_archived_room() -> None:
    show = past_show()
    make_seats(show, "SS")
    archive_rooms()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM shows WHERE id = %s", [show.pk])
    assert not ArchivedRoom.objects.exists()


def insert_booking(seat: Seat) -> None:
    """Insert a booking as plain SQL does, without locking the seat."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bookings (user_id, show_id, seat_id) SELECT min(id), %s, %s FROM users",
            [seat.show_id, seat.pk],
        )


def test_a_booking_inserted_meanwhile_keeps_its_seat(show: Show) -> None:
    """Its transaction is open, so the show is left for the next call."""
    seat = unsold(show).filter(status="available").earliest("pk")
    with transaction.atomic():
        insert_booking(seat)
        assert elsewhere(archive_rooms) == 0
    assert archive_rooms() == 1
    assert show.seats.filter(pk=seat.pk).exists()


def test_a_booking_inserted_after_the_lock_waits_and_is_refused(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat = unsold(show).filter(status="available").earliest("pk")
    build = archived_rooms.archived_room

    def build_while_another_inserts(**facts: Any) -> ArchivedRoom:
        with pytest.raises(OperationalError):  # its lock timeout, as this transaction is open
            elsewhere(lambda: insert_booking(seat))
        return build(**facts)

    monkeypatch.setattr(archiving, "archived_room", build_while_another_inserts)
    assert archive_rooms() == 1
    with pytest.raises(IntegrityError):
        insert_booking(seat)
    assert broken() == []


@pytest.mark.parametrize("table", ["seats", "shows"])
def test_a_show_that_somebody_is_changing_is_left_for_the_next_call(show: Show, table: str) -> None:
    rows: Any = {"seats": Seat.objects.filter(show=show)[:1], "shows": Show.objects.all()}[table]
    with transaction.atomic():
        list(rows.select_for_update())
        assert elsewhere(archive_rooms) == 0
    assert archive_rooms() == 1


def test_two_workers_archive_a_show_once(show: Show, race: Race) -> None:
    results = race([archive_rooms] * 4)
    assert sum(results) == 1
    assert broken() == []


def test_a_page_that_is_read_while_the_room_is_archived_has_each_seat_once(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = sorted(seat.pk for seat in seats_of(show))
    read = archived_rooms.archived_seats

    def read_late(show_id: int) -> list[Seat]:
        archive_rooms()
        return read(show_id)

    monkeypatch.setattr(archived_rooms, "archived_seats", read_late)
    assert sorted(seat.pk for seat in seats_of(show)) == ids
    assert sorted(seat.pk for seat in seats_of(show)) == ids


def test_the_doctor_names_a_room_that_lost_a_seat(show: Show) -> None:
    archive_rooms()
    assert broken() == []
    Booking.objects.all().delete()
    show.seats.earliest("pk").delete()
    assert "archived_room_complete" in broken()
