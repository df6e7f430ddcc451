"""Cancelling a show: it closes at once, and a task then cancels its orders.

The show is closed while all its seats are locked, so that no booking can commit afterwards.
The task cancels orders in batches, each in one transaction with its mails. It can be killed or
run twice, as each batch starts from the bookings that are still active.
"""

from dataclasses import dataclass

from django.db.models import Case, Count, F, Q, When
from django_tasks import task

from accounts import audit
from accounts.models import AuditEntry, User
from booking_site.api.errors import DomainError
from booking_site.postgres.clock import ClockTimestamp
from booking_site.tasks.queue import BEFORE_MAILS
from bookings import mails
from bookings.models import Booking, BookingQuerySet, Hold, HoldEnd, Order
from bookings.services.cancelling import cancel_locked, lock_live
from bookings.services.holds import end_holds
from bookings.transactions import in_transaction
from catalog.errors import ShowClosed, ShowNotFound
from catalog.models import Seat, Show, ShowStatus

ACTION = "show_cancelled"
PURCHASES_PER_BATCH = 50
REASON_LENGTH = 200  # of a booking's `cancel_reason`


class OrdersChanged(DomainError):
    """The number of orders entered is not the current number; `orders` gives it."""

    code = "orders_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """An order of a show, or a booking without one, and how many of its seats are cancelled."""

    name: str
    seats: int
    left: int  # seats not cancelled yet

    @property
    def status(self) -> str:
        return "waiting" if self.left else "cancelled"


def cancel_show(*, show_id: int, orders: int, reason: str, actor: User) -> None:
    """Close the show permanently, and have the worker cancel its orders.

    `orders` is the number of active orders that the caller has seen. Nothing happens if the show
    is already cancelled. Opens its own transaction. Raise ShowNotFound, ShowClosed if it has
    started, or OrdersChanged.
    """

    def work() -> None:
        show = _lock_show_and_seats(show_id)
        if show.status == ShowStatus.CANCELLED:
            return
        if Show.objects.filter(pk=show_id, start_time__lte=ClockTimestamp()).exists():
            raise ShowClosed("This show has already started, so it can't be cancelled.")
        count = live_purchases(show_id)
        if count != orders:
            raise OrdersChanged(
                f"This show now has {count} active orders, not {orders}. Enter {count} to confirm.",
                orders=count,
            )
        show.status = ShowStatus.CANCELLED
        show.save(update_fields=["status", "updated_at"])
        audit.record(
            actor=actor,
            action=ACTION,
            subject=show,
            theatre_id=show.theatre_id,
            reason=reason,
            orders=count,
        )
        cancel_orders.enqueue(show_id=show_id)

    in_transaction(work)


def _lock_show_and_seats(show_id: int) -> Show:
    # A sale locks seats and then reads the show. While all seats are locked, no sale is between
    # the two. Moves also lock seats before shows.
    seats = Seat.objects.filter(show=show_id).order_by("pk")
    list(seats.select_for_update(of=("self",), no_key=True).values_list("pk"))
    show = (
        Show.objects.filter(pk=show_id)
        .select_related("movie", "theatre", "screen__theatre")
        .select_for_update(of=("self",), no_key=True)
        .first()
    )
    if show is None:
        raise ShowNotFound
    return show


def live_purchases(show_id: int) -> int:
    """Return the number of orders with an active booking; a booking without an order is one."""
    live = Booking.objects.filter(show=show_id, cancelled_at__isnull=True)
    counted: dict[str, int] = live.aggregate(
        orders=Count("order", distinct=True), alone=Count("pk", filter=Q(order__isnull=True))
    )
    return counted["orders"] + counted["alone"]


def purchases(show_id: int) -> list[Purchase]:
    """Return every purchase that the cancellation affects, by name; one query."""
    rows = (
        _affected(show_id)
        .values(reference=F("order__reference"), alone=Case(When(order__isnull=True, then="pk")))
        .annotate(seats=Count("pk"), left=Count("pk", filter=Q(cancelled_at__isnull=True)))
        .order_by("reference", "alone")
    )
    return [
        Purchase(
            name=row["reference"] or f"Booking {row['alone']}", seats=row["seats"], left=row["left"]
        )
        for row in rows
    ]


def cancellation_of(show_id: int) -> AuditEntry | None:
    """Return the audit entry of the show's cancellation; None if it is not cancelled."""
    return audit.history_of(Show(pk=show_id)).filter(action=ACTION).first()


@task(priority=BEFORE_MAILS)
def cancel_orders(show_id: int) -> None:
    """Cancel the active bookings of a cancelled show. Can be repeated at any time."""
    entry = cancellation_of(show_id)
    if entry is None:
        return
    in_transaction(lambda: _end_holds(show_id))
    while in_transaction(lambda: _cancel_batch(show_id, entry)):
        pass


def _affected(show_id: int) -> BookingQuerySet:
    """Return the bookings that are or will be cancelled with the show."""
    entry = cancellation_of(show_id)
    live = Q(cancelled_at__isnull=True)
    if entry:
        live |= Q(cancelled_by=entry.actor, cancel_reason=entry.reason[:REASON_LENGTH])
    return Booking.objects.filter(live, show=show_id)


def _end_holds(show_id: int) -> None:
    # Holds are locked before seats, as everywhere. The closed show refuses new ones.
    live = Hold.objects.filter(show=show_id, ended_at__isnull=True).order_by("pk")
    end_holds(list(live.select_for_update(of=("self",), no_key=True)), HoldEnd.RELEASED)


def _cancel_batch(show_id: int, entry: AuditEntry) -> bool:
    """Cancel the next purchases and enqueue their mails; return whether there were any."""
    wanted = _next_bookings(show_id)
    live = lock_live(show_id=show_id, bookings=wanted)
    # Nothing is cancelled if the show was reopened.
    if not Show.objects.filter(pk=show_id, status=ShowStatus.CANCELLED).exists():
        return False
    reason = entry.reason[:REASON_LENGTH]
    cancel_locked(live, by=entry.actor, reason=reason, mail=mails.show_cancelled)
    for order in Order.objects.filter(bookings__in=live).distinct().order_by("pk"):
        audit.record(
            actor=entry.actor,
            action="order_cancelled",
            subject=order,
            theatre_id=entry.theatre_id,
            reason=entry.reason,
            show_id=show_id,
        )
    return bool(wanted)


def _next_bookings(show_id: int) -> list[Booking]:
    """Return the active bookings of the next orders; at the end, those without an order."""
    live = Booking.objects.filter(show=show_id, cancelled_at__isnull=True)
    orders = live.filter(order__isnull=False).order_by("order").values_list("order", flat=True)
    if batch := list(orders.distinct()[:PURCHASES_PER_BATCH]):
        return list(live.filter(order__in=batch))
    return list(live.filter(order__isnull=True).order_by("pk")[:PURCHASES_PER_BATCH])
