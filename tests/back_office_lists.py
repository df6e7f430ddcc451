"""The lists and searches of the back office, each with its filters."""

from collections.abc import Iterator
from datetime import timedelta

from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import AuditEntry, User
from accounts.roles import ensure_roles
from bookings.models import Order
from catalog.models import Show, Theatre
from tests.factories import UserFactory

FILTERS = {
    "accounts/user": [
        *(f"access={access}" for access in ("customers", "staff", "administrators", "inactive")),
        *("o=-0", "o=1"),
    ],
    "accounts/signin": [
        *(f"state={state}" for state in ("current", "ended")),
        "created_at_from={day}&created_at_to={day}",
        *("o=2", "state=ended&o=3"),
    ],
    "accounts/auditentry": [
        "theatre={theatre}",
        "theatre={theatre}&q=blocked",
        *("action=seats_blocked", "action=order_cancelled", "actor={actor}", "actor=system"),
        "action=order_cancelled&actor={actor}&theatre={theatre}",
        "at_from={day}&at_to={day}",
        *("o=0", "o=1", "action=order_cancelled&o=-1"),
    ],
    "catalog/show": [
        *(f"when={when}" for when in ("today", "week", "past", "all")),
        *("when=all&theatre={theatre}", "status__exact=planned", "when=all&q=Movie+11"),
        *("when=all&o=2", "when=all&o=-3"),
    ],
    "catalog/seat": [
        "show__id__exact={show}",
        "show__id__exact={show}&o=3",
        "show__id__exact={show}&state_now=booked&category=standard",
        "q=Movie+117&state_now=blocked",
        "state_now=blocked",
    ],
    "bookings/hold": [
        *(f"state={reason}" for reason in ("booked", "released", "expired")),
        "state=booked&q=Movie+117",
        "q=Movie+117",
        *("o=4", "o=0", "state=booked&o=4", "state=booked&o=-0"),
    ],
    "bookings/order": [
        *(f"status__exact={status}" for status in ("cancelled", "partially_cancelled")),
        *(f"channel__exact={channel}" for channel in ("web", "box_office")),
        *(f"confirmation={state}" for state in ("unsent", "given_up")),
        *("o=7", "o=2", "status__exact=cancelled&o=2"),
    ],
    "bookings/booking": [
        *(f"state={state}" for state in ("confirmed", "cancelled")),
        *("o=5", "o=1", "state=cancelled&o=1"),
    ],
}
SEARCHES = (
    "Customer+12345",
    "cust+1234",
    "CUSTOMER12345@example.com",
    "nobody@example.com",
    "Nobody",
    "Nobody+at+all",
    "{reference}",
    "K7Q4-9XWD",
    "Movie+1117",
    "walker+{walk_in}",
    "walker{walk_in}@example.com",
)


def pages(theatre: Theatre) -> Iterator[str]:
    """Yield the address of every list, with every filter and with each kind of search."""
    order = Order.objects.filter(show__theatre=theatre, user__isnull=False).latest("id")
    show = Show.objects.filter(theatre=theatre, start_time__gt=timezone.now()).earliest("id")
    walk_in = Order.objects.filter(show__theatre=theatre, user__isnull=True).latest("id")
    facts = {
        "theatre": theatre.pk,
        "show": show.pk,
        "reference": order.reference,
        "day": timezone.now().date() - timedelta(days=10),
        "actor": AuditEntry.objects.latest("at").actor_id,
    }
    searches = [f"q={text.format(**facts, walk_in=walk_in.pk)}" for text in SEARCHES]
    for page, filters in FILTERS.items():
        for query in ["", "p=2", *filters, *searches]:
            yield f"/admin/{page}/?{query.format(**facts)}"
    for query in ["", f"theatre={theatre.pk}", *searches]:
        yield f"/admin/box-office/?{query.format(**facts)}"
    yield f"/admin/box-office/shows/{show.pk}/"
    yield f"/admin/box-office/orders/{order.reference}/"


def staff_of(theatre: Theatre) -> list[User]:
    """Return an administrator, and a manager who works in this theatre only."""
    ensure_roles()
    manager = UserFactory(is_staff=True)
    manager.groups.add(Group.objects.get(name="Manager"))
    theatre.staff.add(manager)
    return [UserFactory(is_staff=True, is_superuser=True), manager]
