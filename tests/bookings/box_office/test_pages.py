"""The box office: a clerk sells, finds, moves and cancels, in their own theatre, once."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import pytest
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from accounts import audit
from accounts.models import AuditEntry, User
from booking_site.local_time import localized_time
from bookings.box_office import services
from bookings.box_office.services import Purchase
from bookings.models import Booking, Order
from bookings.services.seat_locks import SeatUnavailable
from catalog.errors import ShowClosed
from catalog.models import GapRule, Seat, SeatStatus, Show, Theatre
from tests.factories import ShowFactory, make_seats


def ids(show: Show, *names: str) -> list[int]:
    by_name = {str(seat): seat.pk for seat in show.seats.all()}
    return [by_name[name] for name in names]


def sell(counter: Client, show: Show, *names: str, token: str | None = None, **more: str) -> Any:
    form = {"token": token or uuid4().hex, "seat": ids(show, *names), **more}
    return counter.post(reverse("box-office-sell", args=[show.pk]), form, follow=True)


def at(page: str, *args: Any) -> str:
    return reverse(f"box-office-{page}", args=args)


def move(counter: Client, order: Order, to: int, reason: str = "Broken seat") -> Any:
    booking = order.bookings.get(cancelled_at=None)
    form = {"seat": to, "reason": reason}
    return counter.post(at("move", order.reference, booking.pk), form, follow=True)


def cancel(counter: Client, order: Order, **form: Any) -> Any:
    form = {"booking": [row.pk for row in order.bookings.all()], "reason": "Ill"} | form
    return counter.post(at("order", order.reference), form, follow=True)


def ticked(page: Any) -> set[str]:
    """Return the ids of the seats whose checkbox the page has ticked."""
    return set(re.findall(r'name="seat" value="(\d+)"[^>]* checked>', page.text))


def test_a_sale_is_an_order_of_the_box_office_with_its_entry(
    counter: Client, show: Show, clerk: User
) -> None:
    page = sell(counter, show, "A1", "B1", customer_name="Lena")
    order = Order.objects.get()
    assert (order.channel, order.sold_by, order.user) == ("box_office", clerk, None)
    assert (order.total, order.currency, order.customer_name) == (Decimal("27.00"), "USD", "Lena")
    assert order.reference in page.text
    assert set(show.seats.filter(status=SeatStatus.BOOKED)) == set(
        show.seats.filter(pk__in=ids(show, "A1", "B1"))
    )
    (entry,) = audit.history_of(order)
    assert (entry.actor, entry.action, entry.theatre_id) == (clerk, "seats_sold", show.theatre_id)
    assert entry.facts == {"seats": ["A1", "B1"], "total": "27.00", "currency": "USD"}
    assert (
        "Seats sold" in counter.get(reverse("admin:bookings_order_history", args=[order.pk])).text
    )


@pytest.mark.parametrize(
    ("currency", "price", "total", "on_ticket"),
    [("JPY", "1500", "3000", "JP¥3,000"), ("KWD", "4.250", "8.500", "KWD8.500")],
)
def test_every_page_has_the_digits_of_the_currency(
    counter: Client, show: Show, currency: str, price: str, total: str, on_ticket: str
) -> None:
    Theatre.objects.update(currency=currency)
    show.seats.update(price=price)
    assert f'data-price="{price}"' in counter.get(at("sell", show.pk)).text
    sell(counter, show, "A1", "A2")
    order = Order.objects.get()
    booking = order.bookings.earliest("pk")
    page = counter.get(at("order", order.reference)).text
    assert f"Total {total} {currency}" in page
    assert f"<span>{price} {currency}</span>" in page
    assert f"2 seats · {on_ticket}" in counter.get(at("ticket", order.reference)).text
    page = counter.get(at("move", order.reference, booking.pk)).text
    assert f"The price stays {price} {currency}" in page
    assert f'data-paid="{price}"' in page
    assert f"worth {total} {currency}" in cancel(counter, order).text


def test_a_form_sent_twice_sells_once(counter: Client, show: Show) -> None:
    token = uuid4().hex
    pages = [sell(counter, show, "A1", token=token) for _ in range(2)]
    order = Order.objects.get()
    assert all(order.reference in page.text for page in pages)
    assert AuditEntry.objects.filter(action="seats_sold").count() == 1


def test_a_used_form_sells_nothing_else_until_it_is_sent_again(counter: Client, show: Show) -> None:
    token = uuid4().hex
    sell(counter, show, "A1", token=token)
    page = sell(counter, show, "A2", token=token)
    assert page.status_code == HTTPStatus.CONFLICT
    assert f"already sold {Order.objects.get().reference}" in page.text
    assert page.context["token"] != token
    sell(counter, show, "A2", token=page.context["token"])
    assert Order.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_order_of_a_used_form_is_named_after_a_commit(counter: Client, show: Show) -> None:
    """That COMMIT waits for a synchronous standby, so a failover can't lose the order any more."""
    token = uuid4().hex
    sell(counter, show, "A1", token=token)
    with CaptureQueriesContext(connection) as queries:
        assert sell(counter, show, "A2", token=token).status_code == HTTPStatus.CONFLICT
    statements = [query["sql"] for query in queries]
    lock = next(i for i, sql in enumerate(statements) if "FOR NO KEY UPDATE" in sql)
    ends = [sql for sql in statements[lock:] if sql in ("COMMIT", "ROLLBACK")]
    assert ends[0] == "COMMIT"


@pytest.mark.django_db(transaction=True)
def test_a_double_click_sells_once(race: Callable[..., list[Any]], show: Show, clerk: User) -> None:
    purchase = Purchase(show_id=show.pk, seat_ids=frozenset(ids(show, "A1", "A2")))
    orders = race(
        [
            lambda: services.sell_at_counter(clerk=clerk, token="a" * 32, purchase=purchase)
            for _ in range(6)
        ]
    )
    assert {order.reference for order in orders} == {Order.objects.get().reference}
    assert Booking.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_one_form_with_different_seats_sells_only_one_selection(
    race: Callable[..., list[Any]], show: Show, clerk: User
) -> None:
    """The two sales lock different seats, so the record decides."""

    def sale(seat_id: int) -> Callable[[], Order]:
        purchase = Purchase(show_id=show.pk, seat_ids=frozenset([seat_id]))
        return lambda: services.sell_at_counter(clerk=clerk, token="a" * 32, purchase=purchase)

    ends = race([sale(seat.pk) for seat in show.seats.all()[:5]])
    assert sum(isinstance(end, Order) for end in ends) == 1
    assert sum(isinstance(end, services.FormUsed) for end in ends) == 4
    assert Order.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_clerks_and_customers_never_buy_the_same_seat(
    race: Callable[..., list[Any]], show: Show, clerk: User
) -> None:
    purchase = Purchase(show_id=show.pk, seat_ids=frozenset(ids(show, "A1", "A2")))
    ends = race(
        [
            lambda: services.sell_at_counter(clerk=clerk, token=uuid4().hex, purchase=purchase)
            for _ in range(8)
        ]
    )
    assert sum(isinstance(end, Order) for end in ends) == 1
    assert sum(isinstance(end, SeatUnavailable) for end in ends) == 7
    assert Booking.objects.count() == 2


def test_a_seat_just_taken_is_named_and_the_rest_stays_chosen(counter: Client, show: Show) -> None:
    sell(counter, show, "A2")
    page = sell(counter, show, "A1", "A2", customer_name="Lena")
    assert page.status_code == HTTPStatus.CONFLICT
    assert "Just taken: A2." in page.text
    assert ticked(page) == {str(pk) for pk in ids(show, "A1")}
    assert 'value="Lena"' in page.text
    assert Order.objects.count() == 1


@pytest.mark.parametrize("status", [SeatStatus.BLOCKED, SeatStatus.BOOKED])
def test_a_seat_that_is_not_free_is_not_sold(counter: Client, show: Show, status: str) -> None:
    show.seats.filter(pk__in=ids(show, "A1")).update(status=status)
    assert sell(counter, show, "A1", "A2").status_code == HTTPStatus.CONFLICT
    assert not Order.objects.exists()


def test_a_held_seat_is_sold_only_when_the_hold_has_expired(counter: Client, show: Show) -> None:
    held = show.seats.filter(pk__in=ids(show, "A1"))
    for minutes, status in ((5, HTTPStatus.CONFLICT), (-5, HTTPStatus.OK)):
        until = timezone.now() + timedelta(minutes=minutes)
        held.update(status=SeatStatus.HELD, hold_id=uuid4(), held_until=until)
        assert sell(counter, show, "A1").status_code == status
    assert held.get().status == SeatStatus.BOOKED
    assert held.get().hold_id is None


@pytest.mark.parametrize(
    ("change", "sells"),
    [
        ({"sales_close_at": -60}, True),
        ({"sales_open_at": 60}, True),
        ({"start_time": -30, "end_time": 60}, True),
        ({"start_time": -90, "end_time": -1}, False),
        ({"start_time": -1, "end_time": None}, False),
    ],
)
def test_the_counter_is_open_until_the_show_ends(
    counter: Client, show: Show, change: dict[str, Any], sells: bool
) -> None:
    moments = {
        column: None if minutes is None else timezone.now() + timedelta(minutes=minutes)
        for column, minutes in change.items()
    }
    Show.objects.filter(pk=show.pk).update(**moments)
    sell(counter, show, "A1")
    assert Order.objects.exists() == sells


def test_a_cancelled_show_is_not_sold(counter: Client, show: Show) -> None:
    Show.objects.filter(pk=show.pk).update(status="cancelled")
    assert "has been cancelled" in sell(counter, show, "A1").text
    assert not Order.objects.exists()


def test_the_total_counts_only_active_bookings(counter: Client, show: Show) -> None:
    page = sell(counter, show, "A1", "B1")
    assert "Total 27.00 USD</p>" in page.text
    order = Order.objects.get()
    first = order.bookings.get(seat__row="A")
    page = cancel(counter, order, booking=first.pk)
    assert "Total 15.00 USD<br><small>27.00 before cancellations</small>" in page.text


def test_best_seats_are_offered_up_to_the_size_of_an_order(
    counter: Client, show: Show, settings: Any
) -> None:
    settings.MAX_SEATS_PER_ORDER = 4
    page = counter.get(at("sell", show.pk))
    assert list(page.context["parties"]) == [1, 2, 3, 4]


@pytest.mark.django_db(transaction=True)
def test_a_show_closed_while_the_sale_waits_for_the_seat_is_not_sold(
    show: Show, clerk: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = services.lock_seats

    def close_meanwhile(**kwargs: Any) -> Any:
        Show.objects.filter(pk=show.pk).update(status="cancelled")
        return lock(**kwargs)

    monkeypatch.setattr(services, "lock_seats", close_meanwhile)
    purchase = Purchase(show_id=show.pk, seat_ids=frozenset(ids(show, "A1")))
    with pytest.raises(ShowClosed):
        services.sell_at_counter(clerk=clerk, token="a" * 32, purchase=purchase)


def test_staff_may_leave_a_single_seat(counter: Client, show: Show) -> None:
    Theatre.objects.filter(pk=show.theatre_id).update(gap_rule=GapRule.MIDDLE_ONLY)
    sell(counter, show, "A1", "A3")
    assert Booking.objects.count() == 2


def test_more_seats_than_an_order_may_have_are_refused(counter: Client) -> None:
    show = ShowFactory(theatre=Theatre.objects.get())
    make_seats(show, "S" * 12)
    page = sell(counter, show, *[f"A{n}" for n in range(1, 12)])
    assert "at most 10 seats" in page.text
    assert len(ticked(page)) == 11


def test_an_empty_selection_is_reported_and_the_form_stays_usable(
    counter: Client, show: Show
) -> None:
    page = sell(counter, show, token="b" * 32)
    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "Select at least one seat." in page.text
    assert page.context["token"] == "b" * 32


def test_best_seats_are_chosen_but_not_sold(counter: Client, show: Show) -> None:
    page = counter.get(at("sell", show.pk), {"best": 3})
    assert len(ticked(page)) == 3
    answer = counter.get(at("seats", show.pk), {"best": 3}).json()
    assert {str(pk) for pk in answer["best"]} == ticked(page)
    assert not Order.objects.exists()
    refusal = "9 seats together are no longer available."
    assert refusal in counter.get(at("sell", show.pk), {"best": 9}).text
    assert counter.get(at("seats", show.pk), {"best": 9}).json() == {"message": refusal}


def test_a_page_gets_the_taken_seats_and_then_a_304(counter: Client, show: Show) -> None:
    sell(counter, show, "A1")
    answer = counter.get(at("seats", show.pk))
    assert answer.json() == {"taken": {str(ids(show, "A1")[0]): "booked"}}
    again = counter.get(at("seats", show.pk), headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (HTTPStatus.NOT_MODIFIED, b"")
    sell(counter, show, "A2")
    newer = counter.get(at("seats", show.pk), headers={"If-None-Match": answer["ETag"]})
    assert newer.status_code == HTTPStatus.OK


def test_the_customer_gets_mails_if_there_is_an_address(
    counter: Client, show: Show, posted: Callable[[], list[EmailMultiAlternatives]]
) -> None:
    sell(counter, show, "A1")
    assert posted() == []
    sell(counter, show, "A2", customer_email="lena@example.com")
    order = Order.objects.get(customer_email="lena@example.com")
    (mail,) = posted()
    assert (mail.to, order.reference in str(mail.body)) == (["lena@example.com"], True)
    assert "until" not in str(mail.body)
    move(counter, order, ids(show, "B2")[0])
    (mail,) = posted()
    assert "B2" in str(mail.body)
    cancel(counter, order)
    (mail,) = posted()
    assert mail.subject.startswith("Cancelled")


def test_a_move_changes_neither_the_booking_nor_its_price(
    counter: Client, show: Show, clerk: User
) -> None:
    sell(counter, show, "A1")
    order = Order.objects.get()
    before = order.bookings.get()
    move(counter, order, ids(show, "B3")[0])
    move(counter, order, ids(show, "B3")[0])
    after = order.bookings.get()
    assert (after.pk, after.price, str(after.seat)) == (before.pk, Decimal("12.00"), "B3")
    assert show.seats.filter(status=SeatStatus.BOOKED).get() == after.seat
    entry = audit.history_of(order)[0]
    assert (entry.actor, entry.action, entry.reason) == (clerk, "seat_moved", "Broken seat")
    assert entry.facts == {
        "seat": ["A1", "B3"],
        "price_kept": "12.00",
        "price_of_the_new_seat": "15.00",
    }
    assert audit.history_of(order).count() == 2


def test_nobody_is_moved_to_a_taken_seat_or_without_a_reason(counter: Client, show: Show) -> None:
    sell(counter, show, "A2")
    sell(counter, show, "A1")
    order = Order.objects.get(bookings__seat__in=ids(show, "A1"))
    other = make_seats(ShowFactory(theatre=show.theatre), "S")[0].pk
    for to, reason, sentence in (
        (ids(show, "A2")[0], "Broken", "Just taken: A2"),
        (ids(show, "A3")[0], "", "Enter a reason."),
        (other, "Broken", "not part of this show"),
    ):
        assert sentence in move(counter, order, to, reason).text
    assert str(order.bookings.get().seat) == "A1"
    assert Seat.objects.filter(status=SeatStatus.BOOKED).count() == 2


def test_a_cancelled_booking_is_not_moved(counter: Client, show: Show, clerk: User) -> None:
    sell(counter, show, "A1")
    order = Order.objects.get()
    booking = order.bookings.select_related("seat").get()
    cancel(counter, order)
    address = at("move", order.reference, booking.pk)
    assert counter.get(address).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.django_db(transaction=True)
def test_a_move_checks_the_booking_after_locking_it(show: Show, clerk: User) -> None:
    purchase = Purchase(show_id=show.pk, seat_ids=frozenset(ids(show, "A1")))
    order = services.sell_at_counter(clerk=clerk, token="a" * 32, purchase=purchase)
    stale = order.bookings.get()
    a2, a3 = ids(show, "A2", "A3")
    services.move_at_counter(clerk=clerk, booking=stale, seat_id=a2, reason="Draught")
    with pytest.raises(services.BookingMoved):
        services.move_at_counter(clerk=clerk, booking=stale, seat_id=a3, reason="Draught")
    services.cancel_at_counter(clerk=clerk, order=order, booking_ids=[stale.pk], reason="Ill")
    with pytest.raises(services.BookingCancelled):
        services.move_at_counter(clerk=clerk, booking=stale, seat_id=a3, reason="Draught")
    assert not show.seats.filter(status=SeatStatus.BOOKED).exists()


@pytest.mark.django_db(transaction=True)
def test_a_booking_moved_and_cancelled_at_once_occupies_no_seat(
    race: Callable[..., list[Any]], show: Show, clerk: User
) -> None:
    purchase = Purchase(show_id=show.pk, seat_ids=frozenset(ids(show, "A1")))
    order = services.sell_at_counter(clerk=clerk, token="a" * 32, purchase=purchase)
    booking = order.bookings.get()
    race(
        [
            lambda: services.move_at_counter(
                clerk=clerk, booking=booking, seat_id=ids(show, "A2")[0], reason="Draught"
            ),
            lambda: services.cancel_at_counter(
                clerk=clerk, order=order, booking_ids=[booking.pk], reason="Ill"
            ),
        ]
    )
    assert order.bookings.get().cancelled_at is not None
    assert not show.seats.filter(status=SeatStatus.BOOKED).exists()


def test_some_seats_of_an_order_are_cancelled_however_late(
    counter: Client, show: Show, clerk: User
) -> None:
    sell(counter, show, "A1", "A2")
    Show.objects.filter(pk=show.pk).update(start_time=timezone.now() - timedelta(minutes=5))
    order = Order.objects.get()
    first = order.bookings.get(seat__in=ids(show, "A1"))
    for _ in range(2):
        cancel(counter, order, booking=first.pk)
    first.refresh_from_db()
    assert (first.cancelled_by, first.cancel_reason) == (clerk, "Ill")
    assert show.seats.filter(status=SeatStatus.BOOKED).count() == 1
    entries = audit.history_of(order).filter(action="seats_cancelled")
    (entry,) = entries
    assert (entry.reason, entry.facts["seats"], entry.facts["amount"]) == ("Ill", ["A1"], "12.00")


@pytest.mark.parametrize(
    ("form", "sentence"),
    [({"reason": ""}, "Enter a reason."), ({"booking": []}, "Select the seats to cancel.")],
)
def test_a_cancellation_needs_seats_and_a_reason(
    counter: Client, show: Show, form: dict[str, Any], sentence: str
) -> None:
    sell(counter, show, "A1")
    page = cancel(counter, Order.objects.get(), **form)
    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert sentence in page.text
    assert show.seats.filter(status=SeatStatus.BOOKED).exists()


def test_a_cancellation_without_a_reason_preserves_the_selection(
    counter: Client, show: Show
) -> None:
    sell(counter, show, "A1", "A2", "A3")
    order = Order.objects.get()
    wanted = [row.pk for row in order.bookings.all()[:2]]
    page = cancel(counter, order, booking=wanted, reason=" ")
    checked = re.findall(r'name="booking" value="(\d+)" checked>', page.text)
    assert set(map(int, checked)) == set(wanted)


def test_a_cancellation_reports_its_worth_and_a_second_click_changes_nothing(
    counter: Client, show: Show
) -> None:
    sell(counter, show, "A1", "B1")
    order = Order.objects.get()
    assert "Cancelled: 2, worth 27.00 USD." in cancel(counter, order).text
    page = cancel(counter, order)
    assert page.status_code == HTTPStatus.OK
    assert "These seats were already cancelled." in page.text


def test_an_order_is_found_by_reference_mail_and_name(counter: Client, show: Show) -> None:
    sell(counter, show, "A1", customer_name="Lena Lion", customer_email="lena@example.com")
    sell(counter, show, "A2")
    order = Order.objects.get(customer_name="Lena Lion")
    reference = order.reference
    for text in (
        reference,
        reference.lower().replace("-", " "),
        "LENA@example.com",
        "lion",
        f"  {reference} ",
    ):
        answer = counter.get(reverse("box-office"), {"q": text})
        assert answer.headers["Location"] == at("order", reference), text
    sell(counter, show, "A3", customer_name="Leo Lion")
    page = counter.get(reverse("box-office"), {"q": "lion"})
    assert {found.customer_name for found in page.context["orders"]} == {"Lena Lion", "Leo Lion"}
    assert counter.get(reverse("box-office"), {"q": "nobody"}).context["orders"] == []


def test_an_order_is_found_by_any_spelling_of_its_address(counter: Client, show: Show) -> None:
    stored, shown = "u@xn--bcher-kva.example", "u@bücher.example"
    assert shown in sell(counter, show, "A1", customer_email=shown.upper()).text
    order = Order.objects.get()
    assert order.customer_email == stored
    for text in (stored, shown):
        answer = counter.get(reverse("box-office"), {"q": text})
        assert answer.headers["Location"] == at("order", order.reference), text


def test_the_first_page_has_the_shows_of_the_business_day(
    counter: Client, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    theatre = show.theatre
    noon = timezone.now().astimezone(theatre.zone).replace(hour=12, minute=0)
    monkeypatch.setattr(timezone, "now", lambda: noon)
    Show.objects.filter(pk=show.pk).update(
        start_time=noon.replace(hour=23), end_time=noon + timedelta(hours=13)
    )
    late = ShowFactory(theatre=theatre, start_time=noon + timedelta(hours=14))
    tomorrow = ShowFactory(theatre=theatre, start_time=noon + timedelta(hours=20))
    ShowFactory(start_time=noon)
    page = counter.get(reverse("box-office"))
    assert [row for row, _ in page.context["shows"]] == [show, late]
    assert "8 of 8 free" in page.text
    day = noon.date() + timedelta(days=1)
    page = counter.get(reverse("box-office"), {"day": day.isoformat()})
    assert [row for row, _ in page.context["shows"]] == [tomorrow]


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "yesterday"])
def test_an_invalid_day_is_today(counter: Client, day: str) -> None:
    page = counter.get(reverse("box-office"), {"day": day})
    assert page.context["is_today"]


def test_the_ticket_names_seats_and_reference(counter: Client, show: Show) -> None:
    sell(counter, show, "A1", "A2")
    order = Order.objects.get()
    page = counter.get(at("ticket", order.reference)).text
    assert all(text in page for text in (order.reference, "A1", "A2", str(show.movie), "US$24.00"))


@pytest.mark.parametrize(
    ("chosen", "language", "seats"),
    [({}, "fr", "2 places"), ({"language": "es"}, "es", "2 butacas")],
)
def test_a_sale_is_in_the_language_of_the_theatre_unless_another_is_chosen(
    counter: Client, show: Show, chosen: dict[str, str], language: str, seats: str
) -> None:
    Theatre.objects.update(language="fr")
    assert '<option value="fr" selected>' in counter.get(at("sell", show.pk)).text
    sell(counter, show, "A1", "A2", **chosen)
    order = Order.objects.get()
    assert order.language == language
    page = counter.get(at("ticket", order.reference), headers={"accept-language": "de"})
    assert f'lang="{language}"' in page.text
    assert seats in page.text
    with translation.override(language):
        assert localized_time(show.start_time.astimezone(show.theatre.zone)) in page.text


def test_a_sale_in_an_unknown_language_is_refused(counter: Client, show: Show) -> None:
    assert sell(counter, show, "A1", language="pl").status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert not Order.objects.exists()


def test_an_order_of_another_theatre_is_not_found(counter: Client, show: Show, clerk: User) -> None:
    sell(counter, show, "A1")
    order = Order.objects.get()
    booking = order.bookings.get()
    clerk.theatres.clear()
    for address in (
        at("sell", show.pk),
        at("seats", show.pk),
        at("order", order.reference),
        at("ticket", order.reference),
        at("move", order.reference, booking.pk),
    ):
        assert counter.get(address).status_code == HTTPStatus.NOT_FOUND
    assert sell(counter, show, "A2").status_code == HTTPStatus.NOT_FOUND
    assert cancel(counter, order).status_code == HTTPStatus.NOT_FOUND
    assert counter.get(reverse("box-office"), {"q": order.reference}).context["orders"] == []
    assert "No theatre yet" in counter.get(reverse("box-office")).text
    assert Booking.objects.filter(cancelled_at=None).count() == 1


def test_query_count_of_a_page_does_not_grow_with_the_seats(counter: Client, show: Show) -> None:
    large = ShowFactory(theatre=show.theatre)
    make_seats(large, *["S" * 40] * 25)
    for page in ("sell", "seats"):
        costs = []
        for room in (show, large):
            with CaptureQueriesContext(connection) as queries:
                counter.get(at(page, room.pk))
            costs.append(len(queries))
        assert costs[0] == costs[1] <= 8


def test_query_count_of_a_list_does_not_grow_with_orders_and_shows(
    counter: Client, show: Show
) -> None:
    costs = []
    today = timezone.now()
    for names in (("A1", "A2"), ("A3", "A4", "B1", "B2")):
        for name in names:
            sell(counter, show, name, customer_name="Lena")
            ShowFactory(theatre=show.theatre, start_time=today)
        with CaptureQueriesContext(connection) as queries:
            counter.get(reverse("box-office"), {"q": "Lena"})
            counter.get(reverse("box-office"))
        costs.append(len(queries))
    assert costs[0] == costs[1]
