"""Corrects and erases the names and addresses of walk-in customers, which their orders store."""

from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts import audit
from accounts.models import User
from bookings.confirmations import confirm_again
from bookings.models import OF_BOX_OFFICE, Order, OrderStatus
from bookings.transactions import in_transaction

STORED = OF_BOX_OFFICE & ~Q(customer_name="", customer_email="")


def correct_customer(
    *, order_id: int, name: str, email: str, send_tickets: bool, actor: User
) -> None:
    """Replace the customer's name and address, and mail the tickets again if `send_tickets`.

    The audit trail records which of them changed, without the values. Raise Order.DoesNotExist
    if a user bought the order.
    """

    def work() -> None:
        order = _locked(Order.objects.filter(pk=order_id, user=None)).get()
        new = {"customer_name": name, "customer_email": email}
        changes: dict[str, list[str]] = {
            field: [] for field, value in new.items() if getattr(order, field) != value
        }
        resent = bool(send_tickets and email and order.status != OrderStatus.CANCELLED)
        Order.objects.filter(pk=order.pk).update(**new)
        if resent:
            confirm_again([order])
        audit.record(
            actor=actor,
            action="customer_corrected",
            subject=order,
            theatre_id=order.show.theatre_id,
            changes=changes,
            tickets="sent again" if resent else "",
        )

    in_transaction(work)


def erase_customers(*, order_ids: Collection[int], actor: User) -> int:
    """Erase the customers of these orders as staff, and return how many orders had one."""

    def work() -> int:
        orders = list(_locked(Order.objects.filter(STORED, pk__in=order_ids)))
        _erase(orders)
        for order in orders:
            audit.record(
                actor=actor,
                action="customer_erased",
                subject=order,
                theatre_id=order.show.theatre_id,
            )
        return len(orders)

    return in_transaction(work)


def erase_old_customers(*, batch: int) -> int:
    """Erase the customers of up to `batch` orders of old shows, and return how many.

    WALK_IN_RETENTION_DAYS is the limit; 0 erases nothing.
    """
    if not settings.WALK_IN_RETENTION_DAYS:
        return 0
    limit = timedelta(days=settings.WALK_IN_RETENTION_DAYS)

    def work() -> int:
        old = Order.objects.filter(STORED, show__start_time__lt=Now() - limit)
        return _erase(list(_locked(old)[:batch]))

    return in_transaction(work)


def erase_walk_in_customer(user: User) -> None:
    """Erase the user from orders of the box office, in the transaction that removes the account."""
    _erase(list(_locked(Order.objects.bought_at_counter_by(user))))


def _locked(orders: QuerySet[Order]) -> QuerySet[Order]:
    return orders.select_related("show").order_by("pk").select_for_update(of=("self",), no_key=True)


def _erase(orders: Collection[Order]) -> int:
    """Erase the customers of these locked orders, and cancel their unsent confirmations."""
    return Order.objects.filter(pk__in=[order.pk for order in orders]).update(
        customer_name="", customer_email="", confirmation_due_at=None
    )
