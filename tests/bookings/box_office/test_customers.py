"""Walk-in customers: what the box office stores about them is corrected, exported and erased."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.mail import EmailMultiAlternatives
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import audit
from accounts.models import AuditEntry, User
from accounts.services import remove_person
from booking_site.tasks.outbox import ATTEMPTS
from bookings import mails
from bookings.box_office.services import Purchase, cancel_at_counter, sell_at_counter
from bookings.models import Order
from catalog.models import Show
from tests.bookings.calls import bought
from tests.factories import UserFactory

Posted = Callable[[], list[EmailMultiAlternatives]]
Sell = Callable[..., Order]

LENA = {"customer_name": "Lena Walk-in", "customer_email": "lena@example.com"}


@pytest.fixture
def sell(show: Show, clerk: User) -> Sell:
    """Sell the next free seat to a walk-in customer."""

    def sell_one(**customer: str) -> Order:
        seat = show.seats.filter(status="available").earliest("row", "number")
        purchase = Purchase(show_id=show.pk, seat_ids=frozenset([seat.pk]), **(customer or LENA))
        return sell_at_counter(clerk=clerk, token=uuid4().hex, purchase=purchase)

    return sell_one


@pytest.fixture
def lena(db: None) -> User:
    """A user who has confirmed the address that was given at the box office."""
    return UserFactory(email=LENA["customer_email"], email_confirmed_at=timezone.now())


def stored(order: Order) -> tuple[str, str]:
    order.refresh_from_db()
    return order.customer_name, order.customer_email


def submit(counter: Client, order: Order, **form: str) -> Any:
    return counter.post(reverse("box-office-customer", args=[order.reference]), form, follow=True)


def exported(client: APIClient) -> dict[str, Any]:
    return dict(client.get("/api/auth/me/export").json())


def audited() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


# Correcting


def test_a_clerk_corrects_a_customer_and_the_tickets_are_sent_again(
    counter: Client, clerk: User, sell: Sell, posted: Posted
) -> None:
    order = sell()
    posted()
    new = {"customer_name": "Lena Wells", "customer_email": "lena.wells@example.com"}
    page = submit(counter, order, **new, send_tickets="on")
    assert page.status_code == 200
    assert "Lena Wells" in page.text
    assert stored(order) == tuple(new.values())
    (message,) = posted()
    assert message.to == ["lena.wells@example.com"]
    entry = audit.history_of(order).get(action="customer_corrected")
    assert (entry.actor, entry.theatre_id) == (clerk, order.show.theatre_id)
    assert entry.facts["changes"] == {"customer_name": [], "customer_email": []}


def test_the_tickets_are_sent_again_only_if_the_clerk_asks(
    counter: Client, sell: Sell, posted: Posted
) -> None:
    order = sell()
    posted()
    submit(counter, order, **LENA | {"customer_name": "Lena Wells"})
    assert stored(order) == ("Lena Wells", LENA["customer_email"])
    assert posted() == []


def test_a_cancelled_order_is_corrected_without_sending_tickets(
    counter: Client, clerk: User, sell: Sell, posted: Posted
) -> None:
    order = sell()
    ids = list(order.bookings.values_list("pk", flat=True))
    cancel_at_counter(clerk=clerk, order=order, booking_ids=ids, reason="Ill")
    posted()
    submit(counter, order, **LENA | {"customer_name": "Lena Wells"}, send_tickets="on")
    assert stored(order)[0] == "Lena Wells"
    order.refresh_from_db()
    assert order.confirmation_due_at is None


def test_an_invalid_address_is_refused_and_shown_again(counter: Client, sell: Sell) -> None:
    order = sell()
    page = submit(counter, order, customer_name="Lena Wells", customer_email="lena@")
    assert page.status_code == 422
    assert 'value="lena@"' in page.text
    assert stored(order) == tuple(LENA.values())
    assert audited() == ["seats_sold"]


def test_the_customer_of_an_online_order_cannot_be_changed_at_the_counter(
    counter: Client, customer: APIClient, show: Show
) -> None:
    bought(customer, show.seats.earliest("pk"))
    order = Order.objects.get()
    assert reverse("box-office-customer", args=[order.reference]) not in (
        counter.get(reverse("box-office-order", args=[order.reference])).text
    )
    for form in (LENA, {"erase": "1"}):
        assert submit(counter, order, **form).status_code == 404
    assert stored(order) == ("", "")


def test_customers_of_other_theatres_cannot_be_changed(
    counter: Client, clerk: User, sell: Sell
) -> None:
    order = sell()
    order.show.theatre.staff.remove(clerk)
    for form in ({"customer_name": "Lena Wells"}, {"erase": "1"}):
        assert submit(counter, order, **form).status_code == 404
    assert stored(order) == tuple(LENA.values())


# Erasing


@pytest.mark.parametrize("attempts", [0, ATTEMPTS], ids=["due", "given up"])
def test_a_clerk_erases_a_customer_and_a_due_mail_is_not_sent(
    counter: Client, clerk: User, sell: Sell, posted: Posted, attempts: int
) -> None:
    order = sell()
    Order.objects.update(confirmation_attempts=attempts)
    page = submit(counter, order, **LENA, erase="1")
    assert LENA["customer_email"] not in page.text
    assert stored(order) == ("", "")
    assert posted() == []
    assert not Order.objects.unsent().exists()
    entry = audit.history_of(order).get(action="customer_erased")
    assert (entry.actor, entry.theatre_id) == (clerk, order.show.theatre_id)


def test_the_audit_trail_never_names_a_customer(counter: Client, sell: Sell) -> None:
    order = sell()
    submit(counter, order, customer_name="Lena Wells", customer_email="wells@example.com")
    submit(counter, order, erase="1")
    assert audited() == ["seats_sold", "customer_corrected", "customer_erased"]
    entries = json.dumps(list(AuditEntry.objects.values("subject_name", "reason", "facts")))
    for word in ("Lena", "Wells", "example.com"):
        assert word not in entries


def test_the_list_of_orders_erases_customers_however_old_the_order(
    counter: Client, sell: Sell
) -> None:
    first, second = sell(), sell(customer_name="Leo")
    Show.objects.update(start_time=timezone.now() - timedelta(days=400), end_time=None)
    form = {"action": "erase_customer", "_selected_action": [first.pk]}
    assert counter.post(reverse("admin:bookings_order_changelist"), form).status_code == 302
    assert stored(first) == ("", "")
    assert stored(second) == ("Leo", "")
    assert audited().count("customer_erased") == 1


# Accounts with the same address


def test_orders_of_the_box_office_with_a_confirmed_address_are_exported(
    sell: Sell, lena: User, login: Callable[[User], APIClient], posted: Posted
) -> None:
    order = sell()
    Order.objects.update(customer_email="LENA@example.com")  # as an earlier release stored it
    sell(customer_name="Leo", customer_email="leo@example.com")
    mails.notify_buyers(mails.show_cancelled, order.bookings.all())
    posted()
    document = exported(login(lena))
    (found,) = document["box_office_orders"]
    assert found["reference"] == order.reference
    assert (found["customer_name"], found["bookings"][0]["row"]) == ("Lena Walk-in", "A")
    assert "leo@example.com" not in json.dumps(document)
    assert [row["mail"] for row in document["mails_about_purchases"]] == [
        "order_made",
        "show_cancelled",
    ]


def test_an_unconfirmed_address_neither_exports_nor_erases(
    sell: Sell, lena: User, login: Callable[[User], APIClient]
) -> None:
    order = sell()
    User.objects.update(email_confirmed_at=None)
    assert exported(login(lena))["box_office_orders"] == []
    remove_person(user_id=lena.pk)
    assert stored(order) == tuple(LENA.values())


def test_removing_an_account_erases_its_orders_of_the_box_office(sell: Sell, lena: User) -> None:
    order, of_leo = sell(), sell(customer_name="Leo", customer_email="leo@example.com")
    remove_person(user_id=lena.pk)
    assert stored(order) == ("", "")
    assert stored(of_leo) == ("Leo", "leo@example.com")
    assert order.bookings.count() == 1


# Addresses of earlier releases


def test_stored_addresses_are_rewritten_and_invalid_ones_are_reported(
    sell: Sell, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ["Lena@Example.com", "u@bücher.example", "jürgen@example.com", "leo@example.com"]
    orders = [sell() for _ in before]
    for order, email in zip(orders, before, strict=True):
        Order.objects.filter(pk=order.pk).update(customer_email=email)
    report = [
        f"order {orders[0]}: rewritten",
        f"order {orders[1]}: rewritten",
        f"order {orders[2]}: the e-mail address is invalid",
    ]
    call_command("canonicalize_customer_emails", dry_run=True)
    assert capsys.readouterr().out.splitlines() == report
    assert [stored(order)[1] for order in orders] == before
    call_command("canonicalize_customer_emails")
    assert capsys.readouterr().out.splitlines() == report
    after = ["lena@example.com", "u@xn--bcher-kva.example", *before[2:]]
    assert [stored(order)[1] for order in orders] == after


# Retention


def erase_old() -> str:
    output = StringIO()
    call_command("erase_walk_in_customers", batch=1, stdout=output)
    return output.getvalue().splitlines()[0]


@pytest.mark.django_db(transaction=True)
def test_customers_are_erased_after_the_retention_time(sell: Sell, settings: Any) -> None:
    settings.WALK_IN_RETENTION_DAYS = 30
    orders = [sell(), sell(customer_name="Leo", customer_email=""), sell()]
    Show.objects.update(start_time=timezone.now() - timedelta(days=29), end_time=None)
    assert erase_old() == "Erased the customers of 0 orders."
    Show.objects.update(start_time=timezone.now() - timedelta(days=31), end_time=None)
    assert erase_old() == "Erased the customers of 3 orders."
    assert {stored(order) for order in orders} == {("", "")}
    assert erase_old() == "Erased the customers of 0 orders."


@pytest.mark.django_db(transaction=True)
def test_without_a_retention_time_customers_stay(sell: Sell) -> None:
    order = sell()
    Show.objects.update(start_time=timezone.now() - timedelta(days=4000), end_time=None)
    assert erase_old() == "Erased the customers of 0 orders."
    assert stored(order) == tuple(LENA.values())
