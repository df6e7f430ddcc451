"""Orders and their bookings."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Func, Q, Value
from django.db.models.functions import Cast, Coalesce, Collate, JSONObject, Length, Now, Upper

from accounts.models import User
from booking_site.languages import DEFAULT_LANGUAGE, LANGUAGE_CODES, LANGUAGES
from booking_site.money import AmountField, money_text
from booking_site.postgres.words import FoldedWords, words_beginning_with
from catalog.models import Seat, Show


class Channel(models.TextChoices):
    WEB = "web", "Web"
    BOX_OFFICE = "box_office", "Box office"


class OrderStatus(models.TextChoices):
    CONFIRMED = "confirmed", "Confirmed"
    PARTIALLY_CANCELLED = "partially_cancelled", "Partially cancelled"
    CANCELLED = "cancelled", "Cancelled"


class BookingStatus(models.TextChoices):
    CONFIRMED = "confirmed", "Confirmed"
    CANCELLED = "cancelled", "Cancelled"


# Like `catalog.layouts.row_order`: the first section, whose rows have no name before the label,
# then the others, each with A first and B before AA.
_BY_PLACE = (
    Collate(Func("seat__row", Value(" ?[^ ]*$"), Value(""), function="regexp_replace"), "C"),
    Length("seat__row"),
    "seat__row",
    "seat__number",
    "pk",
)

# A literal: with a parameter, the generic plan of a prepared statement could not use the partial
# indexes of these orders.
OF_BOX_OFFICE = Q(
    channel=Func(template=f"'{Channel.BOX_OFFICE.value}'", output_field=models.CharField())
)

CUSTOMER_WORDS = FoldedWords("customer_name")


class OrderQuerySet(models.QuerySet["Order"]):
    def unsent(self) -> "OrderQuerySet":
        """Return the orders whose confirmation is due, now or later, or was given up."""
        return self.filter(confirmation_due_at__isnull=False)

    def of_customer(self, text: str) -> "OrderQuerySet":
        """Return the orders of customers with that name or e-mail address, also walk-in ones."""
        walk_in = Q(customer_email__iexact=User.objects.clean_email(text))
        if "@" not in text:
            walk_in |= Q(words=words_beginning_with(text))
        return self.alias(words=CUSTOMER_WORDS).filter(
            Q(user__in=User.objects.ids_matching(text)) | OF_BOX_OFFICE & walk_in
        )

    def bought_at_counter_by(self, user: User) -> "OrderQuerySet":
        """Return the box office orders with the user's address; none until it is confirmed."""
        if user.email_confirmed_at is None:
            return self.none()
        return self.filter(OF_BOX_OFFICE, customer_email__iexact=user.email)

    def with_bookings_json(self) -> "OrderQuerySet":
        """Load what the API shows of an order, with its bookings as JSON, in one query."""
        bookings = Booking.objects.filter(order=models.OuterRef("pk")).order_by(*_BY_PLACE)
        columns = {name: f"seat__{name}" for name in ("row", "section", "number")}
        columns |= {name: name for name in ("id", "user_id", "show_id", "seat_id")}
        columns |= {name: name for name in ("booked_at", "cancelled_at")}
        # As text, because a JSON number would become a float.
        price = Cast(Coalesce("price", "seat__price"), models.TextField())
        return self.select_related("show__movie", "show__theatre", "show__screen").annotate(
            bookings_json=ArraySubquery(bookings.values(json=JSONObject(price=price, **columns)))
        )

    def with_details(self) -> "OrderQuerySet":
        """Load the show, and the bookings with their seats, in two queries."""
        return self.select_related("show__movie", "show__theatre", "show__screen").prefetch_related(
            models.Prefetch(
                "bookings",
                Booking.objects.select_related("seat", "order").order_by(*_BY_PLACE),
            )
        )


class Order(models.Model):
    """One purchase: bookings made together, under one reference.

    The transaction that cancels bookings updates `status`.

    The order is also the outbox of its confirmation mail (see bookings/confirmations.py).
    `confirmation_due_at` is set until the mail has been sent, even if the worker has given up
    after too many `confirmation_attempts`. If it is null, no mail is due.
    """

    reference = models.CharField(
        max_length=9, help_text="Eight characters that are hard to confuse."
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="orders",
        null=True,
        blank=True,
        db_index=False,
    )
    # The constraint below has an index that begins with the show.
    show = models.ForeignKey(Show, on_delete=models.PROTECT, related_name="+", db_index=False)
    channel = models.CharField(max_length=12, choices=Channel, default=Channel.WEB)
    sold_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="orders_sold",
        null=True,
        blank=True,
        db_index=False,
    )
    customer_name = models.CharField(max_length=200, blank=True, default="")
    customer_email = models.EmailField(blank=True, default="")
    total = AmountField(max_digits=11)
    currency = models.CharField(max_length=3)
    language = models.CharField(
        max_length=8,
        choices=LANGUAGES,
        default=DEFAULT_LANGUAGE,
        db_default=DEFAULT_LANGUAGE,
        help_text="The language of e-mails and tickets.",
    )
    created_at = models.DateTimeField(db_default=Now())
    status = models.CharField(
        max_length=20,
        choices=OrderStatus,
        default=OrderStatus.CONFIRMED,
        db_default=OrderStatus.CONFIRMED,
    )
    confirmation_requested_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When staff requested this confirmation; empty for that of the sale.",
    )
    confirmation_due_at = models.DateTimeField(null=True, blank=True)
    confirmation_sent_at = models.DateTimeField(null=True, blank=True)
    confirmation_attempts = models.SmallIntegerField(default=0, db_default=0)
    confirmation_number = models.SmallIntegerField(
        default=1,
        db_default=1,
        help_text="Counts the confirmations of this order, part of each Message-ID.",
    )

    objects = OrderQuerySet.as_manager()

    class Meta:
        db_table = "orders"
        ordering = ("-created_at", "-id")
        permissions = (("sell_order", "Can sell, move and cancel at the box office"),)
        indexes = (
            models.Index(fields=["user", "-created_at"], name="order_by_user"),
            models.Index(
                fields=["confirmation_due_at"],
                condition=Q(confirmation_due_at__isnull=False),
                name="order_unsent_by_due_time",
            ),
            # For the back office: few orders are sold at the box office, few are cancelled.
            models.Index(
                fields=["id"], condition=Q(channel="box_office"), name="order_of_box_office"
            ),
            GinIndex(
                CUSTOMER_WORDS, condition=Q(channel="box_office"), name="order_by_folded_name"
            ),
            models.Index(
                Upper("customer_email"),
                condition=Q(channel="box_office"),
                name="order_by_customer_email",
            ),
            models.Index(
                fields=["status", "id"],
                condition=~Q(status="confirmed"),
                name="order_not_confirmed",
            ),
        )
        constraints = (
            models.UniqueConstraint(fields=["reference"], name="order_reference_unique"),
            # The target of the foreign key that ties a booking's order to the booking's show.
            models.UniqueConstraint(fields=["show", "id"], name="order_with_show"),
            models.CheckConstraint(
                condition=Q(channel__in=Channel.values), name="order_channel_known"
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=False) | Q(channel=Channel.BOX_OFFICE),
                name="order_without_user_only_at_box_office",
            ),
            models.CheckConstraint(
                condition=Q(language__in=LANGUAGE_CODES), name="order_language_known"
            ),
            models.CheckConstraint(condition=Q(total__gte=0), name="order_total_not_negative"),
            models.CheckConstraint(
                condition=Q(status__in=OrderStatus.values), name="order_status_known"
            ),
            models.CheckConstraint(
                condition=Q(confirmation_due_at__isnull=True)
                | Q(confirmation_sent_at__isnull=True),
                name="order_confirmation_due_or_sent",
            ),
        )

    def __str__(self) -> str:
        return self.reference

    @property
    def total_text(self) -> str:
        return money_text(self.total, self.currency)

    @property
    def bookings_by_place(self) -> "list[Booking]":
        """The bookings that `with_bookings_json` has loaded, by row and number."""
        rows: list[dict[str, Any]] = self.bookings_json  # type: ignore[attr-defined] # annotated
        return [_booking_from_json(self, row) for row in rows]


def _booking_from_json(order: Order, columns: dict[str, Any]) -> "Booking":
    cancelled_at = columns["cancelled_at"]
    return Booking(
        pk=columns["id"],
        user_id=columns["user_id"],
        show_id=columns["show_id"],
        seat=Seat(
            pk=columns["seat_id"],
            row=columns["row"],
            section=columns["section"],
            number=columns["number"],
        ),
        order=order,
        price=Decimal(columns["price"]),
        booked_at=datetime.fromisoformat(columns["booked_at"]),
        cancelled_at=datetime.fromisoformat(cancelled_at) if cancelled_at else None,
    )


class BookingQuerySet(models.QuerySet["Booking"]):
    def with_details(self) -> "BookingQuerySet":
        """Load the seat, the order and the show, in one query."""
        return self.select_related("seat", "order", "show__movie", "show__theatre", "show__screen")


class Booking(models.Model):
    """One seat sold to one customer. A cancelled booking is not deleted: it has `cancelled_at`.

    The foreign keys of the seat and the order include the show (see the migration), so neither
    can belong to another show.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="bookings",
        null=True,
        blank=True,
        db_index=False,
    )
    show = models.ForeignKey(Show, on_delete=models.PROTECT, related_name="+", db_index=False)
    # The database refuses to delete a seat that was ever booked (see the migration).
    seat = models.ForeignKey(
        Seat, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    order = models.ForeignKey(
        Order,
        on_delete=models.PROTECT,
        related_name="bookings",
        null=True,
        blank=True,
        db_constraint=False,
    )
    price = AmountField(max_digits=9, null=True, blank=True)
    booked_at = models.DateTimeField(db_default=Now())
    cancelled_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
    )
    cancel_reason = models.CharField(max_length=200, blank=True, default="", db_default="")

    objects = BookingQuerySet.as_manager()

    class Meta:
        db_table = "bookings"
        ordering = ("-booked_at", "-id")
        indexes = (
            models.Index(fields=["user", "-booked_at"], name="booking_by_user"),
            models.Index(fields=["show", "seat"], name="booking_by_show_and_seat"),
            models.Index(
                fields=["id"], condition=Q(cancelled_at__isnull=False), name="booking_cancelled"
            ),
        )
        constraints = (
            # The first guarantee of the site: no seat is sold twice.
            models.UniqueConstraint(
                fields=["seat"],
                condition=Q(cancelled_at__isnull=True),
                name="booking_one_live_per_seat",
            ),
            models.CheckConstraint(
                condition=Q(price__isnull=True) | Q(price__gte=0),
                name="booking_price_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=False) | Q(order__isnull=False),
                name="booking_without_user_has_order",
            ),
        )

    def __str__(self) -> str:
        return f"Booking {self.pk}"

    @property
    def status(self) -> BookingStatus:
        return BookingStatus.CANCELLED if self.cancelled_at else BookingStatus.CONFIRMED

    # Bookings of the original system have neither price nor order, so the seat and the theatre
    # provide them.

    @property
    def amount(self) -> Decimal:
        price: Decimal = self.seat.price if self.price is None else self.price
        return price

    @property
    def amount_text(self) -> str:
        return money_text(self.amount, self.currency)

    @property
    def currency(self) -> str:
        return self.order.currency if self.order else self.show.theatre.currency

    @property
    def order_reference(self) -> str | None:
        return self.order.reference if self.order else None
