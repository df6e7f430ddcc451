"""Holds, orders and bookings in the back office, read-only: only services change sales."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts import audit
from accounts.audited_admin import HistoryEvent, staff_user
from accounts.models import AuditEntry, User
from booking_site.back_office.filters import ConditionFilter
from booking_site.back_office.large_tables import LargeTable
from booking_site.email_address import readable_email
from booking_site.postgres.words import folded
from booking_site.tasks.outbox import ATTEMPTS
from bookings.box_office.queries import ids_of_orders
from bookings.confirmations import send_again
from bookings.models import Booking, BookingStatus, Channel, Hold, HoldEnd, Order
from bookings.walk_in_customers import erase_customers
from catalog.admin.base import ReadOnly, badge, local, show_column, time_column, two_lines
from catalog.models import Seat, Show

UNSENT = Q(confirmation_due_at__isnull=False)
SHOW = ("show__movie", "show__theatre", "show__screen__theatre")


class HoldStateFilter(admin.SimpleListFilter):
    """Live holds by default; a search finds ended ones too."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        live = [("live", "Live")] if request.GET.get(SEARCH_VAR) else []
        return [*live, *HoldEnd.choices]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield first if changelist.query else {**first, "display": "Live"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Hold]) -> QuerySet[Hold]:
        if self.value() in HoldEnd.values:
            return queryset.filter(ended_at__isnull=False, end_reason=self.value())
        if self.value() is None and request.GET.get(SEARCH_VAR):
            return queryset
        return queryset.filter(ended_at__isnull=True)


@admin.register(Hold)
class HoldAdmin(LargeTable, ReadOnly[Hold]):
    theatre_path = "show__theatre"
    list_display = ("customer", "on_show", "seat_count", "since", "until", "state")
    list_select_related = ("user", *SHOW)
    ordering = ("-expires_at",)
    list_filter = (HoldStateFilter,)
    sortable_by = ("until",)
    search_fields = ("user__email",)
    search_help_text = "Customer, movie, theatre or screen"
    fields = ("user", "show", "seats", "since", "until", "longest", "ended", "state")
    on_show = show_column
    since = time_column("created_at", "since", ordering="created_at")
    until = time_column("expires_at", "until", ordering="expires_at")
    longest = time_column("max_expires_at", "until at most")
    ended = time_column("ended_at", "ended")

    def matching(self, rows: QuerySet[Hold], text: str) -> QuerySet[Hold]:
        users, shows = User.objects.ids_matching(text), Show.objects.ids_matching(text)
        return rows.filter(Q(user__in=users) | Q(show__in=shows))

    @admin.display(description="customer", ordering=folded("user__name"))
    def customer(self, hold: Hold) -> SafeString:
        return two_lines(hold.user.name or hold.user, hold.user.readable_email)

    @admin.display(description="seats")
    def seat_count(self, hold: Hold) -> int:
        return len(hold.seat_ids)

    @admin.display(description="seats")
    def seats(self, hold: Hold) -> str:
        seats = sorted(Seat.objects.filter(pk__in=hold.seat_ids), key=Seat.place)
        return ", ".join(map(str, seats)) or "No longer stored"

    @admin.display(description="state", ordering="ended_at")
    def state(self, hold: Hold) -> SafeString:
        if hold.ended_at is None:
            return badge("live", "Live")
        return badge(hold.end_reason, HoldEnd(hold.end_reason).label)


class ConfirmationFilter(ConditionFilter):
    title = "confirmation mail"
    parameter_name = "confirmation"
    conditions = {
        "unsent": ("Not sent yet", UNSENT),
        "given_up": ("Given up", UNSENT & Q(confirmation_attempts__gte=ATTEMPTS)),
    }


@admin.register(Order)
class OrderAdmin(LargeTable, ReadOnly[Order]):
    theatre_path = "show__theatre"
    list_display = (
        "reference",
        "buyer",
        "on_show",
        "live_seats",
        "amount",
        "sold",
        "state",
    )
    list_filter = ("status", "channel", ConfirmationFilter)
    actions = ("send_again", "erase_customer")
    list_select_related = ("user", *SHOW)
    ordering = ("-id",)
    sortable_by = ("sold",)
    search_fields = ("reference",)
    search_help_text = "Reference or customer"
    fields = (
        "reference",
        "buyer",
        "show",
        "seats",
        "amount",
        "channel",
        "sold_by",
        "bought",
        "state",
        "confirmation",
    )
    on_show = show_column
    bought = time_column("created_at", "bought")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        live = Booking.objects.filter(order=OuterRef("pk"), cancelled_at=None).order_by()
        counted = live.values("order").annotate(n=Count("pk")).values("n")
        return super().get_queryset(request).annotate(live_bookings=Coalesce(Subquery(counted), 0))

    def matching(self, rows: QuerySet[Order], text: str) -> QuerySet[Order]:
        return rows.filter(pk__in=ids_of_orders(text))

    def derived_events(self, order: Order) -> list[HistoryEvent]:
        return _customer_events(order, order.bookings.all())

    @admin.display(description="customer", ordering=folded(Coalesce("user__name", "customer_name")))
    def buyer(self, order: Order) -> SafeString:
        return _buyer(order)

    @admin.display(description="seats", ordering="live_bookings")
    def live_seats(self, order: Order) -> int:
        return int(getattr(order, "live_bookings", 0))

    @admin.display(description="seats")
    def seats(self, order: Order) -> str:
        return ", ".join(
            f"{booking.seat}{' (cancelled)' if booking.cancelled_at else ''}"
            for booking in _by_place(order.bookings.all())
        )

    @admin.display(description="total", ordering="total")
    def amount(self, order: Order) -> str:
        return f"{order.total_text} {order.currency}"

    @admin.display(description="bought", ordering="pk")
    def sold(self, order: Order) -> SafeString:
        day, _, clock = local(order.created_at, order.show.theatre.zone).partition(", ")
        return two_lines(day, f"{clock} · {order.get_channel_display()}")

    @admin.display(description="state", ordering="status")
    def state(self, order: Order) -> SafeString:
        return badge(order.status, order.get_status_display())

    @admin.display(description="confirmation mail")
    def confirmation(self, order: Order) -> str:
        zone, attempts = order.show.theatre.zone, order.confirmation_attempts
        if order.confirmation_sent_at:
            return f"Sent {local(order.confirmation_sent_at, zone)}, attempt {attempts}"
        if order.confirmation_due_at is None:
            return "No mail is due"
        if attempts >= ATTEMPTS:
            return "Given up"
        return f"Due {local(order.confirmation_due_at, zone)}, attempts so far: {attempts}"

    def has_sell_permission(self, request: HttpRequest) -> bool:
        return staff_user(request).has_perm("bookings.sell_order")

    @admin.action(description="Send the confirmation again", permissions=["sell"])
    def send_again(self, request: HttpRequest, orders: QuerySet[Order]) -> None:
        confirmed = send_again(
            order_ids=list(orders.values_list("pk", flat=True)), actor=staff_user(request)
        )
        messages.success(request, f"Confirmations to be sent again: {confirmed}.")

    @admin.action(description="Erase the walk-in customer", permissions=["sell"])
    def erase_customer(self, request: HttpRequest, orders: QuerySet[Order]) -> None:
        erased = erase_customers(
            order_ids=list(orders.values_list("pk", flat=True)), actor=staff_user(request)
        )
        messages.success(request, f"Orders whose customer was erased: {erased}.")


def _customer_events(order: Order, bookings: QuerySet[Booking]) -> list[HistoryEvent]:
    """Return what the customer did online. The audit trail records what staff did."""
    if order.channel != Channel.WEB:
        return []
    rows = _by_place(bookings)
    cancelled: dict[datetime, list[str]] = defaultdict(list)
    for booking in rows:
        if booking.cancelled_at and booking.cancelled_by_id == order.user_id:
            cancelled[booking.cancelled_at].append(str(booking.seat))
    events = [
        HistoryEvent("Cancelled online", at, order.user, ", ".join(cancelled[at]))
        for at in sorted(cancelled, reverse=True)
    ]
    bought = ", ".join(str(booking.seat) for booking in rows)
    return [*events, HistoryEvent("Bought online", order.created_at, order.user, bought)]


def _by_place(bookings: QuerySet[Booking]) -> list[Booking]:
    return sorted(bookings.select_related("seat"), key=lambda booking: booking.seat.place())


def _buyer(order: Order) -> SafeString:
    if order.user:
        return two_lines(order.user.name or order.user, order.user.readable_email)
    return two_lines(
        order.customer_name or "At the box office", readable_email(order.customer_email)
    )


class BookingStatusFilter(ConditionFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        status.value: (status.label, Q(cancelled_at__isnull=status is BookingStatus.CONFIRMED))
        for status in BookingStatus
    }


@admin.register(Booking)
class BookingAdmin(LargeTable, ReadOnly[Booking]):
    theatre_path = "show__theatre"
    list_display = ("bought_with", "buyer", "on_show", "seat", "amount", "sold", "state")
    list_filter = (BookingStatusFilter,)
    list_select_related = ("user", "order__user", "seat", *SHOW)
    ordering = ("-id",)
    sortable_by = ("sold",)
    search_fields = ("order__reference",)
    search_help_text = "Reference of the order, or customer"
    fields = (
        "order",
        "user",
        "show",
        "seat",
        "amount",
        "booked",
        "state",
        "cancelled",
        "cancelled_by",
        "cancel_reason",
    )
    on_show = show_column
    booked = time_column("booked_at", "booked")
    sold = time_column("booked_at", "booked", ordering="pk")
    cancelled = time_column("cancelled_at", "cancelled")

    def matching(self, rows: QuerySet[Booking], text: str) -> QuerySet[Booking]:
        # Only bookings of the original system have no order.
        without_order = Q(order__isnull=True, user__in=User.objects.ids_matching(text))
        return rows.filter(Q(order__in=ids_of_orders(text)) | without_order)

    def entries_about(self, booking: Booking) -> QuerySet[AuditEntry]:
        """Include the entries of the order, which record sales, moves and cancellations."""
        own = super().entries_about(booking)
        return own | audit.history_of(booking.order) if booking.order else own

    def derived_events(self, booking: Booking) -> list[HistoryEvent]:
        itself = Booking.objects.filter(pk=booking.pk)
        return _customer_events(booking.order, itself) if booking.order else []

    @admin.display(description="order", ordering="pk")
    def bought_with(self, booking: Booking) -> str:
        return str(booking.order or booking)  # bookings of the original system have no order

    @admin.display(
        description="customer", ordering=folded(Coalesce("user__name", "order__customer_name"))
    )
    def buyer(self, booking: Booking) -> SafeString:
        if booking.order:
            return _buyer(booking.order)
        assert booking.user is not None  # noqa: S101 - only an order has none
        return two_lines(booking.user.name or booking.user, booking.user.readable_email)

    @admin.display(description="price", ordering="price")
    def amount(self, booking: Booking) -> str:
        if booking.price is None:  # a booking of the original system
            return ""
        return f"{booking.amount_text} {booking.currency}"

    @admin.display(description="state", ordering="cancelled_at")
    def state(self, booking: Booking) -> SafeString:
        return badge(booking.status.value, booking.status.label)
