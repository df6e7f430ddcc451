"""Moving a show: every sold or held seat gets a new place, also during concurrent sales."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.audit import history_of, sentences
from accounts.models import User
from booking_site.api.errors import DomainError
from bookings.integrity.invariants import examine
from bookings.models import Booking, Hold
from bookings.seat_choice import NoEqualSeats
from bookings.show_changes import moving
from bookings.show_changes.moving import Move, MoveChanged, StartBeforeSales, StartInPast, swap_of
from bookings.show_changes.reseating import LayoutMissing
from catalog.errors import ShowClosed
from catalog.models import PriceCardLine, Screen, Seat, Show, ShowStatus, Theatre
from catalog.scheduling import ScreenInOtherTheatre, ScreenTaken
from catalog.seat_maps import PriceNotExpressible, block_seats, make_seat_map, prices_of
from tests.bookings.calls import book, book_seats, bought, elsewhere, held, let_expire, refusal
from tests.factories import (
    MovieFactory,
    PriceCardFactory,
    ScreenFactory,
    TheatreFactory,
    UserFactory,
    planned_show,
)

pytestmark = pytest.mark.django_db

Login = Callable[[User], APIClient]

BIG = "A SSSSSS\nB SSSSSS\nC PPPPWC\n"
SMALL = "A SSSS\nB SSWC\nC PPPP\n"


@pytest.fixture
def theatre() -> Any:
    return TheatreFactory(timezone="Europe/Vienna")


@pytest.fixture
def big(theatre: Any) -> Screen:
    return ScreenFactory(theatre=theatre, name="Big", layout=BIG, turnaround_minutes=20)


@pytest.fixture
def small(theatre: Any) -> Screen:
    return ScreenFactory(theatre=theatre, name="Small", layout=SMALL, turnaround_minutes=30)


def make_show(screen: Screen, *, hours: int = 48) -> Show:
    card = PriceCardFactory()
    show = planned_show(
        movie=MovieFactory(title="Vertigo", duration_minutes=100),
        theatre=screen.theatre,
        screen=screen,
        start_time=timezone.now().replace(microsecond=0) + timedelta(hours=hours),
        price_card=card,
        status=ShowStatus.OPEN,
    )
    room = screen.parsed_layout
    assert room
    make_seat_map(show_id=show.pk, layout=room, prices=prices_of(card))
    return show


@pytest.fixture
def show(big: Screen) -> Show:
    return make_show(big)


def seat(show: Show, name: str) -> Seat:
    return Seat.objects.get(show=show, row=name[0], number=name[1:])


def name_of(seat_id: int) -> str:
    return str(Seat.objects.get(pk=seat_id))


def move(*moves: Move, actor: User | None = None) -> list[moving.MovedShow]:
    seen = moving.fingerprint(moving.plan_moves(moves))
    return moving.move_shows(moves=moves, seen=seen, actor=actor, reason="Projector broken")


def to(screen: Screen, show: Show, *, later: timedelta = timedelta()) -> Move:
    return Move(show.pk, screen.pk, show.start_time + later)


def room_of(show: Show) -> str:
    """Write the seats of a show as a layout, sold ones as x, held ones as h."""
    letters = {"standard": "S", "premium": "P", "wheelchair": "W", "companion": "C"}
    marks = {"booked": "x", "held": "h"}
    rows: dict[str, str] = {}
    for each in Seat.objects.filter(show=show).order_by("row", "number"):
        rows[each.row] = rows.get(each.row, "") + marks.get(each.status, letters[each.category])
    return " ".join(rows.values())


def assert_sound() -> None:
    assert [finding for finding in examine() if finding.is_violation] == []


# Another time


def test_a_show_moves_in_time_with_its_ends_and_the_end_of_sales(show: Show, big: Screen) -> None:
    opens = show.start_time - timedelta(hours=12)
    Show.objects.filter(pk=show.pk).update(
        sales_open_at=opens,
        sales_close_at=show.start_time - timedelta(hours=1),
        planned_utc_offset=None,
    )
    move(to(big, show, later=timedelta(hours=3)))
    after = Show.objects.get()
    assert after.planned_utc_offset == after.start_time.astimezone(big.theatre.zone).utcoffset()
    assert after.start_time == show.start_time + timedelta(hours=3)
    assert after.end_time == after.start_time + timedelta(minutes=100)
    assert after.occupied_until == after.start_time + timedelta(minutes=120)
    assert after.sales_close_at == after.start_time - timedelta(hours=1)
    assert after.sales_open_at == opens
    assert (after.status, after.movie, after.format) == ("open", show.movie, "2D")


def test_a_move_does_not_change_the_length(show: Show, big: Screen) -> None:
    show.movie.duration_minutes = 240
    show.movie.save()
    move(to(big, show, later=timedelta(hours=3)))
    after = Show.objects.get()
    assert after.end_time == after.start_time + timedelta(minutes=100)


def test_seats_stay_as_they_are_in_the_same_room(
    show: Show, big: Screen, customer: APIClient
) -> None:
    bought(customer, seat(show, "A1"))
    before = list(Seat.objects.order_by("pk").values())
    (moved,) = move(to(big, show, later=timedelta(hours=1)))
    assert moved.seats.changes == ()
    assert moved.seats.taken == 1
    assert list(Seat.objects.order_by("pk").values()) == before


# Another screen


def test_an_unsold_show_gets_the_room_of_its_new_screen(show: Show, small: Screen) -> None:
    move(to(small, show))
    assert room_of(show) == "SSSS SSWC PPPP"
    after = Show.objects.get()
    assert after.screen == small
    assert after.occupied_until == after.start_time + timedelta(minutes=130)
    assert {(s.category, str(s.price)) for s in Seat.objects.all()} == {
        ("standard", "12.00"),
        ("premium", "15.00"),
        ("wheelchair", "9.00"),
        ("companion", "9.00"),
    }


def test_the_ids_of_sold_and_held_seats_do_not_change(
    show: Show, small: Screen, customer: APIClient, login: Login
) -> None:
    first = bought(customer, seat(show, "B3"), seat(show, "B4"))
    second = login(UserFactory())
    hold_id = held(second, seat(show, "C5"), seat(show, "C6"))["id"]
    Seat.objects.filter(status="booked").update(price="10.00")
    (moved,) = move(to(small, show))
    assert {change.party for change in moved.seats.changes} == {
        first["order"]["reference"],
        f"Hold {hold_id[:8]}",
    }
    ids = [booking["seat_id"] for booking in first["bookings"]]
    assert len(set(map(name_of, ids))) == 2
    assert {name_of(pk)[0] for pk in ids} == {name_of(ids[0])[0]}
    assert set(Seat.objects.filter(pk__in=ids).values_list("price", "status")) == {(10, "booked")}
    assert sorted(map(name_of, Hold.objects.get().seat_ids)) == ["B3", "B4"]
    assert Seat.objects.filter(show=show).count() == 12
    assert_sound()
    assert book(second, hold_id=hold_id).status_code == 201


def test_the_owner_of_a_free_seats_id_never_gets_another_seat(
    show: Show, small: Screen, customer: APIClient
) -> None:
    stale = {seat.pk: str(seat) for seat in Seat.objects.filter(show=show)}
    move(to(small, show))
    assert not Seat.objects.filter(pk__in=stale).exists()
    assert refusal(book(customer, show_id=show.pk, seat_id=min(stale))) == (404, "seat_not_found")


def test_an_expired_hold_reserves_no_seat(show: Show, small: Screen, customer: APIClient) -> None:
    let_expire(held(customer, seat(show, "A1"))["id"])
    (moved,) = move(to(small, show))
    assert moved.seats.changes == ()
    assert_sound()


def test_cancelled_bookings_stay_at_their_seat_if_the_new_room_has_it(
    show: Show, small: Screen, customer: APIClient
) -> None:
    both = bought(customer, seat(show, "A2"), seat(show, "B6"))
    for booking in both["bookings"]:
        customer.post(f"/api/bookings/{booking['id']}/cancel", {}, format="json")
    move(to(small, show))
    first, second = Booking.objects.order_by("pk").select_related("seat")
    assert str(first.seat) == "A2"
    assert first.seat.pk == both["bookings"][0]["seat_id"]
    assert second.seat.show_id == show.pk  # the small room has no B6
    entry = history_of(show).get(action="show_moved")
    assert entry.facts["cancelled_seats_gone"] == ["B6"]
    assert Seat.objects.filter(show=show).count() == 12
    assert_sound()


def test_blocked_seats_are_free_in_the_new_room(show: Show, small: Screen) -> None:
    block_seats(show_id=show.pk, seat_ids=[seat(show, "A1").pk], reason="broken")
    (moved,) = move(to(small, show))
    assert moved.seats.blocked == 1
    assert not Seat.objects.filter(status="blocked").exists()


def test_a_party_without_equal_seats_stops_the_move(
    show: Show, theatre: Any, customer: APIClient
) -> None:
    bought(customer, seat(show, "C1"))
    plain = ScreenFactory(theatre=theatre, layout="A SSSSSSSSSSSSSSSSSSSSS\n")
    with pytest.raises(NoEqualSeats):
        moving.plan_moves([to(plain, show)])


def test_free_seats_get_no_price_that_the_currency_cannot_express(
    show: Show, small: Screen
) -> None:
    Theatre.objects.update(currency="JPY")
    PriceCardLine.objects.update(price="10.50")
    with pytest.raises(PriceNotExpressible):
        moving.plan_moves([to(small, show)])


def test_seats_get_the_rows_and_sections_of_the_new_room(
    show: Show, theatre: Any, customer: APIClient
) -> None:
    bought(customer, seat(show, "A1"), seat(show, "A2"))
    balcony = ScreenFactory(
        theatre=theatre, layout="= Stalls\nA WC\n= Balcony\nA <2+2 SSPP\nB WC\n"
    )
    planned = [to(balcony, show)]
    seen = moving.fingerprint(moving.plan_moves(planned))
    moving.move_shows(moves=planned, seen=seen, actor=None, reason="")
    assert balcony.parsed_layout
    assert set(Seat.objects.values_list("row", "number", "section", "x", "y")) == {
        (place.row, place.number, place.section, place.x, place.y)
        for place in balcony.parsed_layout.places
    }
    sold = Seat.objects.filter(status="booked")
    assert set(map(str, sold)) == {"Balcony A8", "Balcony A6"}


def test_a_seat_taken_after_the_preview_stops_the_move(
    show: Show, small: Screen, customer: APIClient
) -> None:
    planned = to(small, show)
    seen = moving.fingerprint(moving.plan_moves([planned]))
    bought(customer, seat(show, "A1"))
    with pytest.raises(MoveChanged):
        moving.move_shows(moves=[planned], seen=seen, actor=None, reason="")
    assert Show.objects.get().screen == show.screen


def test_a_move_is_recorded_in_the_history_of_the_show(
    show: Show, small: Screen, customer: APIClient, staff: User
) -> None:
    bought(customer, seat(show, "A1"))
    move(to(small, show), actor=staff)
    entry = history_of(show).get(action="show_moved")
    assert (entry.actor, entry.reason) == (staff, "Projector broken")
    at = show.start_time.astimezone(show.theatre.zone)
    assert set(sentences(entry)) == {
        f"start: {at:%a %d %b %Y, %H:%M} → {at:%a %d %b %Y, %H:%M}",
        "screen: Big → Small",
        "seats: A1 → A1",
    }


def test_customers_get_one_mail_per_purchase(
    show: Show,
    small: Screen,
    customer: APIClient,
    user: User,
    posted: Callable[[], list[EmailMultiAlternatives]],
) -> None:
    bought(customer, seat(show, "B3"), seat(show, "B4"))
    posted()
    move(to(small, show))
    (message,) = posted()
    assert message.to == [user.email]
    assert message.subject == "Show moved: Vertigo"
    assert "(Big)" in str(message.body)
    assert "Small" in str(message.body)
    named = [str(seat) for seat in Seat.objects.filter(status="booked").order_by("row", "number")]
    assert ", ".join(named) in str(message.body)


# Two shows


def test_two_sold_shows_swap_their_screens(
    show: Show, big: Screen, small: Screen, customer: APIClient
) -> None:
    other = make_show(small)
    mine = bought(customer, seat(show, "A1"), seat(show, "A2"))["bookings"]
    theirs = bought(customer, seat(other, "C3"))["bookings"]
    move(*swap_of(show, other))
    assert list(Show.objects.order_by("pk").values_list("screen__name", flat=True)) == [
        "Small",
        "Big",
    ]
    assert Seat.objects.filter(show=show).count() == 12
    assert Seat.objects.filter(show=other).count() == 18
    assert [name_of(booking["seat_id"]) for booking in mine] == ["A1", "A2"]
    assert Seat.objects.get(pk=theirs[0]["seat_id"]).category == "premium"
    assert_sound()
    move(*swap_of(*Show.objects.order_by("pk")))
    assert [name_of(booking["seat_id"]) for booking in mine] == ["A1", "A2"]


def test_a_third_show_in_the_way_of_a_swap_is_named(show: Show, big: Screen, small: Screen) -> None:
    other = make_show(small, hours=46)
    third = make_show(big, hours=44)
    Show.objects.filter(pk=third.pk).update(
        end_time=other.start_time + timedelta(minutes=1),
        occupied_until=other.start_time + timedelta(minutes=1),
    )
    with pytest.raises(ScreenTaken) as refused:
        moving.plan_moves(swap_of(show, other))
    assert refused.value.facts == {"show_ids": [third.pk]}


# What can't move


def at(show: Show, screen_id: int | None, start_time: datetime) -> Sequence[Move]:
    return [Move(show.pk, screen_id, start_time)]


def test_what_cannot_move_is_refused(show: Show, big: Screen, small: Screen) -> None:
    def refused(moves: Sequence[Move]) -> type[DomainError]:
        with pytest.raises(DomainError) as refusal:
            moving.plan_moves(moves)
        return type(refusal.value)

    other = make_show(small, hours=60)
    now, start = timezone.now(), show.start_time
    assert refused(at(show, small.pk, other.start_time)) is ScreenTaken
    assert refused(at(show, big.pk, now - timedelta(hours=1))) is StartInPast
    assert refused(at(show, ScreenFactory().pk, start)) is ScreenInOtherTheatre
    Show.objects.filter(pk=show.pk).update(
        sales_open_at=start - timedelta(hours=3), sales_close_at=start - timedelta(hours=1)
    )
    assert refused(at(show, big.pk, start - timedelta(hours=2))) is StartBeforeSales
    Show.objects.filter(pk=show.pk).update(sales_open_at=None)
    bare = ScreenFactory(theatre=show.theatre, layout="")
    assert refused(at(show, bare.pk, start)) is LayoutMissing
    Show.objects.filter(pk=show.pk).update(status=ShowStatus.CANCELLED)
    assert refused(at(show, small.pk, start)) is ShowClosed
    Show.objects.filter(pk=show.pk).update(
        status=ShowStatus.OPEN, start_time=now - timedelta(hours=1)
    )
    assert refused(at(show, small.pk, start)) is ShowClosed


# Buyers at the same moment

Race = Callable[[Sequence[Callable[[], Any]]], list[Any]]


def buy_while_it_moves(race: Race, show: Show, screen: Screen, clients: list[APIClient]) -> None:
    wanted = list(Seat.objects.filter(show=show).order_by("pk")[: len(clients)])

    def move_patiently() -> None:
        for _ in range(50):
            try:
                move(to(screen, show))
            except MoveChanged:
                continue
            return

    results = race(
        [
            move_patiently,
            *(
                lambda client=client, seat=seat: book_seats(client, seat)
                for client, seat in zip(clients, wanted, strict=True)
            ),
        ]
    )
    assert results[0] is None
    for result in results[1:]:
        assert result.status_code == 201 or refusal(result) == (404, "seat_not_found")


@pytest.mark.django_db(transaction=True)
def test_a_buyer_during_a_move_gets_a_seat_of_the_show_or_none(
    race: Race, show: Show, small: Screen, login: Login
) -> None:
    buy_while_it_moves(race, show, small, [login(user) for user in UserFactory.create_batch(6)])
    assert Show.objects.get().screen == small
    assert Seat.objects.filter(show=show).count() == 12
    assert_sound()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("without_locks")
def test_without_the_seat_locks_a_concurrent_buyer_loses_the_seat(
    show: Show, small: Screen, customer: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the test above: the seat is sold, and then set free."""
    lay = moving.apply_reseating
    wanted = seat(show, "A1")

    def buy_meanwhile(*args: Any) -> list[str]:
        monkeypatch.setattr(moving, "apply_reseating", lay)
        elsewhere(lambda: bought(customer, wanted))
        return lay(*args)

    monkeypatch.setattr(moving, "apply_reseating", buy_meanwhile)
    move(to(small, show))
    violated = {finding.invariant.name for finding in examine() if finding.is_violation}
    assert violated == {"booked_seat_has_booking"}
