"""Counts, sorting and filters of the lists that grow with every sale."""

import re
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEntry, SignIn, User
from booking_site.back_office.large_tables import BoundedPaginator
from bookings.models import Hold, Order
from catalog.models import Seat, Show
from tests.factories import ShowFactory, UserFactory, make_seats

DAY = timedelta(days=1)
references = (f"N8Q4-{n:04}" for n in count())


@pytest.fixture
def three_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedPaginator, "most_counted", 2)


def make_orders(*totals: int) -> list[Order]:
    show, user = ShowFactory(), UserFactory()
    return [
        Order.objects.create(
            reference=next(references), user=user, show=show, total=total, currency="EUR"
        )
        for total in totals
    ]


def listed(office: Client, model: str, **query: str) -> Any:
    answer = office.get(reverse(f"admin:{model}_changelist"), query)
    assert answer.status_code == 200
    return answer


def rows(office: Client, model: str, **query: str) -> list[Any]:
    return list(listed(office, model, **query).context["cl"].result_list)


def column(office: Client, model: str, name: str) -> str:
    """Return the number of a column in the query of a sorted list."""
    return str(listed(office, model).context["cl"].list_display.index(name))


def test_a_short_list_is_counted(office: Client) -> None:
    make_orders(5, 7, 6)
    assert "3\n\n    \n        orders" in listed(office, "bookings_order").text


def test_a_long_list_is_counted_up_to_a_limit(office: Client, three_are_many: None) -> None:
    make_orders(5, 7, 6)
    assert "More than 2 orders" in listed(office, "bookings_order").text


def test_a_long_list_has_pages(
    office: Client, three_are_many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = make_orders(5, 7, 6)
    monkeypatch.setattr("bookings.admin.sales.OrderAdmin.list_per_page", 2)
    assert rows(office, "bookings_order", p="2") == [first]


def test_an_action_on_all_rows_is_offered_for_short_lists_only(
    office: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_orders(5, 7, 6)
    monkeypatch.setattr("bookings.admin.sales.OrderAdmin.list_per_page", 2)
    assert "Select all 3 orders" in listed(office, "bookings_order").text
    monkeypatch.setattr(BoundedPaginator, "most_counted", 2)
    assert not re.search(r"Select all \d", listed(office, "bookings_order").text)


def test_a_short_list_is_sorted_by_any_column(office: Client) -> None:
    five, seven, six = make_orders(5, 7, 6)
    by_total = column(office, "bookings_order", "amount")
    page = listed(office, "bookings_order", o=by_total)
    assert list(page.context["cl"].result_list) == [five, six, seven]
    assert f"?o=-{by_total}" in page.text  # the heading reverses the order


def test_a_long_list_is_sorted_by_columns_with_an_index_only(
    office: Client, three_are_many: None
) -> None:
    five, seven, six = make_orders(5, 7, 6)
    by_total = column(office, "bookings_order", "amount")
    by_time = column(office, "bookings_order", "sold")
    page = listed(office, "bookings_order", o=by_total)
    assert list(page.context["cl"].result_list) == [six, seven, five]
    assert page.context["cl"].sortable_by == ("sold",)
    assert rows(office, "bookings_order", o=by_time) == [five, seven, six]
    assert rows(office, "bookings_order", o=f"{by_time}.{by_total}") == [six, seven, five]


def test_a_filter_makes_a_long_list_sortable(office: Client, three_are_many: None) -> None:
    five, seven, _ = make_orders(5, 7, 6)
    Order.objects.filter(pk__in=[five.pk, seven.pk]).update(status="cancelled")
    by_total = column(office, "bookings_order", "amount")
    query = {"status__exact": "cancelled", "o": f"-{by_total}"}
    assert rows(office, "bookings_order", **query) == [seven, five]


def test_unsent_confirmations_are_one_menu_item(office: Client) -> None:
    for query, item in (({}, "Orders"), ({"confirmation": "unsent"}, "Unsent confirmations")):
        groups = listed(office, "bookings_order", **query).context["sidebar_navigation"]
        items = [item for group in groups for item in group["items"]]
        assert [each["title"] for each in items if each["active"]] == [item]


@pytest.fixture
def entries(staff: User) -> dict[str, AuditEntry]:
    """Entries of two members of staff and of the system, each a day older than the one before."""
    show, other = ShowFactory(), UserFactory(is_staff=True)
    made = {
        "newest": audit.record(actor=staff, action="seats_sold", subject=show),
        "middle": audit.record(actor=other, action="seats_sold", subject=show),
        "oldest": audit.record(actor=None, action="show_moved", subject=show),
    }
    for days, entry in enumerate(made.values(), start=10):
        AuditEntry.objects.filter(pk=entry.pk).update(at=datetime(2026, 3, 31 - days, tzinfo=UTC))
    return made


def test_the_audit_trail_is_filtered_by_action(
    office: Client, entries: dict[str, AuditEntry]
) -> None:
    page = listed(office, "accounts_auditentry", action="seats_sold")
    assert list(page.context["cl"].result_list) == [entries["newest"], entries["middle"]]
    assert audit.recorded_actions() == ["seats_sold", "show_moved"]
    assert '<option value="show_moved">Show moved</option>' in page.text


def test_the_audit_trail_is_filtered_by_user(
    office: Client, staff: User, entries: dict[str, AuditEntry]
) -> None:
    assert rows(office, "accounts_auditentry", actor=str(staff.pk)) == [entries["newest"]]
    assert rows(office, "accounts_auditentry", actor="system") == [entries["oldest"]]
    both = {"actor": str(staff.pk), "action": "show_moved"}
    assert rows(office, "accounts_auditentry", **both) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"at_from": "2026-03-20"}, ["newest", "middle"]),
        ({"at_to": "2026-03-20"}, ["middle", "oldest"]),
        ({"at_from": "2026-03-20", "at_to": "2026-03-20"}, ["middle"]),
        ({"at_from": "yesterday", "at_to": ""}, ["newest", "middle", "oldest"]),
    ],
)
def test_the_audit_trail_is_filtered_by_days(
    query: dict[str, str], found: list[str], office: Client, entries: dict[str, AuditEntry]
) -> None:
    entry = entries["middle"]
    AuditEntry.objects.filter(pk=entry.pk).update(at=datetime(2026, 3, 20, 23, 59, tzinfo=UTC))
    assert rows(office, "accounts_auditentry", **query) == [entries[name] for name in found]


def make_hold(show: Show, reason: str = "") -> Hold:
    soon = timezone.now() + timedelta(minutes=10)
    return Hold.objects.create(
        user=UserFactory(),
        show=show,
        seat_ids=[],
        expires_at=soon,
        max_expires_at=soon,
        ended_at=timezone.now() if reason else None,
        end_reason=reason,
    )


def test_holds_are_filtered_by_state(office: Client) -> None:
    show = ShowFactory(movie__title="Vertigo")
    live, booked, expired = (make_hold(show, reason) for reason in ("", "booked", "expired"))
    assert rows(office, "bookings_hold") == [live]
    assert rows(office, "bookings_hold", state="booked") == [booked]
    assert rows(office, "bookings_hold", q="vertigo", state="expired") == [expired]
    assert rows(office, "bookings_hold", q="vertigo", state="live") == [live]
    assert len(rows(office, "bookings_hold", q="vertigo")) == 3


def test_holds_are_found_by_movie(office: Client) -> None:
    wanted = make_hold(ShowFactory(movie__title="Vertigo"), "released")
    make_hold(ShowFactory(movie__title="Rear Window"), "released")
    assert rows(office, "bookings_hold", q="vertigo") == [wanted]


def test_seats_of_a_past_show_are_found(office: Client) -> None:
    past = ShowFactory(
        movie__title="Vertigo", start_time=datetime(2020, 1, 1, 20, tzinfo=UTC), end_time=None
    )
    seats = [*make_seats(past, "S"), *make_seats(ShowFactory(movie__title="Vertigo"), "S")]
    make_seats(ShowFactory(movie__title="Rear Window"), "S")
    assert rows(office, "catalog_seat", q="vertigo") == seats


def test_seats_of_shows_are_filtered_by_state_and_category(office: Client) -> None:
    show = ShowFactory(movie__title="Vertigo")
    standard, blocked, premium = make_seats(show, "SSP")
    Seat.objects.filter(pk=blocked.pk).update(status="blocked")
    of_show = {"show__id__exact": str(show.pk)}
    assert rows(office, "catalog_seat", **of_show, state_now="blocked") == [blocked]
    assert rows(office, "catalog_seat", q="vertigo", category="premium") == [premium]
    free = {"state_now": "available", "category": "standard"}
    assert rows(office, "catalog_seat", q="vertigo", **free) == [standard]


def test_all_seats_together_have_no_filters(office: Client) -> None:
    """They would read the whole table."""
    seats = make_seats(ShowFactory(), "SP")
    page = listed(office, "catalog_seat", state_now="blocked", category="premium")
    assert list(page.context["cl"].result_list) == seats
    assert page.context["cl"].filter_specs == []


def test_customers_are_listed_without_staff(office: Client, staff: User) -> None:
    customer = UserFactory()
    assert rows(office, "accounts_user", access="customers") == [customer]


def test_sign_ins_are_filtered_by_state_and_days(office: Client) -> None:
    now, user = timezone.now(), UserFactory()
    current, expired, ended = (
        SignIn.objects.create(user=user, token_id=uuid4(), expires_at=expires, ended_at=end)
        for expires, end in ((now + DAY, None), (now - DAY, None), (now + DAY, now))
    )
    for sign_in, day in ((current, 19), (expired, 20), (ended, 21)):
        SignIn.objects.filter(pk=sign_in.pk).update(created_at=datetime(2026, 3, day, tzinfo=UTC))
    assert rows(office, "accounts_signin") == [ended, expired, current]
    assert rows(office, "accounts_signin", state="current") == [current]
    assert rows(office, "accounts_signin", state="ended") == [ended]
    day = {"created_at_from": "2026-03-20", "created_at_to": "2026-03-20"}
    assert rows(office, "accounts_signin", **day) == [expired]
