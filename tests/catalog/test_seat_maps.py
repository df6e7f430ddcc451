"""Creating and replacing seat maps, blocking and unblocking seats."""

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from bookings.models import Booking
from catalog import seat_maps
from catalog.layouts import parse_layout, rows_by_seats
from catalog.models import Seat, SeatStatus, Show, Theatre
from tests.factories import PriceCardFactory, ShowFactory, UserFactory, make_seats
from tests.waiting import somebody_waits_for_me

Race = Callable[[Sequence[Callable[[], Any]]], list[Any]]

LAYOUT = parse_layout("A  SS.P\n\nB  WC\n")
PRICES = {
    "standard": Decimal("12.00"),
    "premium": Decimal("15.50"),
    "wheelchair": Decimal("9.00"),
    "companion": Decimal("0.00"),
}


def seats_of(show: Show) -> list[tuple[Any, ...]]:
    return list(
        Seat.objects.filter(show=show)
        .order_by("pk")
        .values_list("row", "number", "category", "price", "x", "y", "status", "block_reason")
    )


def hold(seat: Seat, *, minutes: int) -> None:
    seat.status = SeatStatus.HELD
    seat.hold_id = uuid.uuid4()
    seat.held_until = timezone.now() + timedelta(minutes=minutes)
    seat.save()


def sell(seat: Seat) -> None:
    seat.status = SeatStatus.BOOKED
    seat.save()


@pytest.fixture
def show(db: None) -> Show:
    return ShowFactory()


def test_a_seat_map_is_the_layout_with_prices(show: Show) -> None:
    assert seat_maps.make_seat_map(show_id=show.pk, layout=LAYOUT, prices=PRICES) == 5
    assert seats_of(show) == [
        ("A", 1, "standard", Decimal("12.00"), 0, 0, "available", ""),
        ("A", 2, "standard", Decimal("12.00"), 1, 0, "available", ""),
        ("A", 3, "premium", Decimal("15.50"), 3, 0, "available", ""),
        ("B", 1, "wheelchair", Decimal("9.00"), 0, 2, "available", ""),
        ("B", 2, "companion", Decimal("0.00"), 1, 2, "available", ""),
    ]


def test_a_seat_map_has_sections_and_the_numbers_of_the_layout(show: Show) -> None:
    layout = parse_layout("A SS\n= Balcony\nA <2+2 SSS")
    seat_maps.make_seat_map(show_id=show.pk, layout=layout, prices=PRICES)
    seats = Seat.objects.filter(show=show).order_by("y", "x")
    assert list(seats.values_list("row", "number", "section", "x", "y")) == [
        ("A", 1, "", 0, 0),
        ("A", 2, "", 1, 0),
        ("Balcony A", 6, "Balcony", 0, 2),
        ("Balcony A", 4, "Balcony", 1, 2),
        ("Balcony A", 2, "Balcony", 2, 2),
    ]


def test_prices_with_more_digits_than_the_currency_are_refused(show: Show) -> None:
    Theatre.objects.update(currency="JPY")
    with pytest.raises(seat_maps.PriceNotExpressible) as refusal:
        seat_maps.make_seat_map(show_id=show.pk, layout=LAYOUT, prices=PRICES)
    assert refusal.value.facts == {"categories": ["premium"]}
    assert not seats_of(show)


def test_a_show_without_a_screen_gets_rows_by_seats(show: Show) -> None:
    layout = rows_by_seats(rows=27, seats_per_row=3)
    seat_maps.make_seat_map(show_id=show.pk, layout=layout, prices=PRICES)
    assert [seat[0] for seat in seats_of(show)][-4:] == ["Z", "AA", "AA", "AA"]


def test_a_price_card_gives_a_price_per_category(db: None) -> None:
    card = PriceCardFactory()
    card.lines.filter(category="premium").delete()
    assert seat_maps.prices_of(card) == {
        "standard": Decimal("12.00"),
        "wheelchair": Decimal("9.00"),
        "companion": Decimal("9.00"),
    }


def test_a_category_without_a_price_is_named_and_nothing_is_created(show: Show) -> None:
    with pytest.raises(seat_maps.PriceMissing, match="companion, premium") as caught:
        seat_maps.make_seat_map(
            show_id=show.pk,
            layout=LAYOUT,
            prices={"standard": Decimal(1), "wheelchair": Decimal(1)},
        )
    assert caught.value.facts == {"categories": ["companion", "premium"]}
    assert seats_of(show) == []


def test_a_second_seat_map_is_refused(show: Show) -> None:
    seat_maps.make_seat_map(show_id=show.pk, layout=LAYOUT, prices=PRICES)
    before = seats_of(show)
    with pytest.raises(seat_maps.SeatMapExists):
        seat_maps.make_seat_map(show_id=show.pk, layout=LAYOUT, prices=PRICES)
    assert seats_of(show) == before


@pytest.mark.django_db(transaction=True)
def test_of_two_concurrent_seat_maps_one_is_created(race: Race) -> None:
    # Different labels, so that only the lock, not a constraint, can stop the second.
    layouts = [parse_layout(f"{label}  {'S' * 50}") for label in "ABCD"]
    for _ in range(5):
        show = ShowFactory()
        results = race(
            [
                lambda layout=layout, pk=show.pk: seat_maps.make_seat_map(
                    show_id=pk, layout=layout, prices=PRICES
                )
                for layout in layouts
            ]
        )
        assert sorted(map(str, results)) == ["50"] + ["This show already has a seat map."] * 3
        assert len(seats_of(show)) == 50


def test_replacing_a_seat_map_replaces_blocked_seats_too(show: Show) -> None:
    old = make_seats(show, "SSSS")
    seat_maps.block_seats(show_id=show.pk, seat_ids=[old[0].pk], reason="Broken")
    hold(old[1], minutes=-1)
    assert seat_maps.replace_seat_map(show_id=show.pk, layout=LAYOUT, prices=PRICES) == 5
    assert len(seats_of(show)) == 5
    assert not Seat.objects.filter(pk__in=[seat.pk for seat in old]).exists()


@pytest.mark.parametrize("take", [sell, lambda seat: hold(seat, minutes=5)], ids=["sold", "held"])
def test_replacing_is_refused_while_a_seat_is_taken(
    show: Show, take: Callable[[Seat], None]
) -> None:
    take(make_seats(show, "SSSS", "SSSS")[6])
    before = seats_of(show)
    with pytest.raises(seat_maps.SeatMapInUse, match="B3"):
        seat_maps.replace_seat_map(show_id=show.pk, layout=LAYOUT, prices=PRICES)
    assert seats_of(show) == before


def test_replacing_is_refused_while_a_cancelled_booking_refers_to_a_seat(show: Show) -> None:
    (seat,) = make_seats(show, "S")
    Booking.objects.create(user=UserFactory(), show=show, seat=seat, cancelled_at=timezone.now())
    with pytest.raises(seat_maps.SeatMapInUse, match="Cancelled bookings"):
        seat_maps.replace_seat_map(show_id=show.pk, layout=LAYOUT, prices=PRICES)
    assert list(show.seats.all()) == [seat]


@pytest.mark.django_db(transaction=True)
def test_of_two_concurrent_replacements_one_is_saved(race: Race) -> None:
    for _ in range(5):
        show = ShowFactory()
        make_seats(show, "SS")
        results = race(
            [
                lambda label=label, pk=show.pk: seat_maps.replace_seat_map(
                    show_id=pk, layout=parse_layout(f"{label}  SSS"), prices=PRICES
                )
                for label in "AB"
            ]
        )
        # Either both succeed one after the other, or the second one is refused.
        assert 3 in results
        assert all(result == 3 or isinstance(result, seat_maps.SeatMapExists) for result in results)
        assert len(seats_of(show)) == 3


def test_a_blocked_seat_has_its_reason_until_it_is_unblocked(show: Show) -> None:
    first, second, third = make_seats(show, "SSS")
    hold(second, minutes=-1)
    blocked = seat_maps.block_seats(
        show_id=show.pk, seat_ids=[second.pk, first.pk], reason="Camera"
    )
    assert [seat.pk for seat in blocked] == [first.pk, second.pk]
    assert [(seat[6], seat[7]) for seat in seats_of(show)] == [
        ("blocked", "Camera"),
        ("blocked", "Camera"),
        ("available", ""),
    ]
    seat_maps.block_seats(show_id=show.pk, seat_ids=[first.pk], reason="Leak")
    first.refresh_from_db()
    assert first.block_reason == "Leak"

    seat_maps.unblock_seats(show_id=show.pk, seat_ids=[first.pk, second.pk, third.pk])
    seat_maps.unblock_seats(show_id=show.pk, seat_ids=[first.pk])
    assert {(seat[6], seat[7]) for seat in seats_of(show)} == {("available", "")}


@pytest.mark.parametrize("take", [sell, lambda seat: hold(seat, minutes=5)], ids=["sold", "held"])
def test_taken_seats_can_be_neither_blocked_nor_unblocked(
    show: Show, take: Callable[[Seat], None]
) -> None:
    free, taken = make_seats(show, "SS")
    take(taken)
    both = [free.pk, taken.pk]
    with pytest.raises(seat_maps.SeatsTaken, match=r"cannot be blocked: A2\.") as caught:
        seat_maps.block_seats(show_id=show.pk, seat_ids=both, reason="Broken")
    assert caught.value.facts == {"seat_ids": [taken.pk]}
    with pytest.raises(seat_maps.SeatsTaken, match=r"are not blocked: A2\."):
        seat_maps.unblock_seats(show_id=show.pk, seat_ids=both)
    free.refresh_from_db()
    assert free.status == SeatStatus.AVAILABLE


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("act", "refusal"),
    [
        (
            lambda seat: seat_maps.block_seats(
                show_id=seat.show_id, seat_ids=[seat.pk], reason="Broken"
            ),
            seat_maps.SeatsTaken,
        ),
        (
            lambda seat: seat_maps.replace_seat_map(
                show_id=seat.show_id, layout=LAYOUT, prices=PRICES
            ),
            seat_maps.SeatMapInUse,
        ),
    ],
    ids=["block", "replace"],
)
def test_staff_wait_for_a_running_sale_and_then_see_it(
    act: Callable[[Seat], Any], refusal: type[Exception]
) -> None:
    (seat,) = make_seats(ShowFactory(), "S")

    def act_elsewhere() -> Any:
        try:
            return act(seat)
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            sell(seat)
            staff = pool.submit(act_elsewhere)
            while not somebody_waits_for_me():
                assert not staff.done()
        with pytest.raises(refusal):
            staff.result()
    seat.refresh_from_db()
    assert seat.status == SeatStatus.BOOKED


def test_seats_of_another_show_are_not_blocked(show: Show) -> None:
    (own,) = make_seats(show, "S")
    (foreign,) = make_seats(ShowFactory(), "S")
    with pytest.raises(seat_maps.SeatNotFound) as caught:
        seat_maps.block_seats(show_id=show.pk, seat_ids=[own.pk, foreign.pk], reason="Broken")
    assert caught.value.facts == {"seat_ids": [foreign.pk]}
    assert not Seat.objects.filter(status=SeatStatus.BLOCKED).exists()
