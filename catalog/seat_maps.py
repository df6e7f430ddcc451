"""The seats of a show: created from a layout, blocked and unblocked by staff.

Bookings lock seats and never the show. Staff lock the show's row only against each other, and
after the seats; only the show's form locks the show first. Each function writes an audit entry
for `actor` (None: the site itself) in its transaction.
"""

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.models import User
from booking_site.api.errors import DomainError
from booking_site.api.openapi.values import ids
from booking_site.money import digits_of, is_expressible, money_text
from catalog.archived_rooms import SeatsArchived, is_archived
from catalog.errors import ShowNotFound
from catalog.layouts import Layout
from catalog.models import PriceCard, Seat, SeatQuerySet, SeatStatus, Show
from catalog.seat_changes import publish_seat_changes

Prices = Mapping[str, Decimal]  # by seat category


class SeatMapExists(DomainError):
    """The show already has a seat map."""

    code = "seat_map_exists"
    message = "This show already has a seat map."


class SeatMapInUse(DomainError):
    """The seat map cannot be replaced: the show has sold or held seats, or past bookings."""

    code = "seat_map_in_use"


class PriceMissing(DomainError):
    """A category of the layout has no price; `categories` lists those missing."""

    code = "price_missing"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class PriceNotExpressible(DomainError):
    """Some prices have more digits than the theatre's currency; `categories` lists those."""

    code = "price_not_expressible"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class SeatNotFound(DomainError):
    """Some seats do not belong to the show; `seat_ids` lists them."""

    code = "seat_not_found"
    status = HTTPStatus.NOT_FOUND
    members = {"seat_ids": ids("The seats that are not part of the show.")}
    message = _("Some seats are not part of this show.")


class SeatsTaken(DomainError):
    """Some seats are sold or held; `seat_ids` lists them."""

    code = "seats_taken"


def prices_of(card: PriceCard) -> dict[str, Decimal]:
    """Return the card's prices by category; a category without a price is absent."""
    return dict(card.lines.values_list("category", "price"))


def make_seat_map(
    *, show_id: int, layout: Layout, prices: Prices, actor: User | None = None
) -> int:
    """Copy the layout into seats of a show that has none, and return their number.

    Raise PriceMissing, PriceNotExpressible, SeatMapExists or SeatsArchived. Opens its own
    durable transaction.
    """
    with transaction.atomic(durable=True):
        size = _create_seats(show_id, layout, prices)
        _record(show_id, actor, "seat_map_created", seats=size, prices=prices)
    return size


def replace_seat_map(
    *, show_id: int, layout: Layout, prices: Prices, actor: User | None = None
) -> int:
    """Replace all seats of a show, blocked ones included, and return the new number.

    Raise PriceMissing, PriceNotExpressible, SeatsArchived, SeatMapInUse if a seat is sold or held
    or has a past booking, or SeatMapExists if someone else replaced the seats meanwhile. Opens its
    own durable transaction.
    """
    with transaction.atomic(durable=True):
        seats = _lock_seats(Seat.objects.filter(show_id=show_id))
        old = Seat.objects.filter(pk__in=[seat.pk for seat in seats])
        if taken := _names(old.taken()):
            raise SeatMapInUse(f"These seats are sold or held: {taken}.")
        try:
            old.delete()
        except IntegrityError as error:  # a booking refers to one of them
            raise SeatMapInUse(
                "Cancelled bookings still refer to the seats of this show, so they stay."
            ) from error
        size = _create_seats(show_id, layout, prices)
        _record(show_id, actor, "seat_map_replaced", seats=size, prices=prices)
    return size


def _create_seats(show_id: int, layout: Layout, prices: Prices) -> int:
    # If two users create the seats at once, the second waits here and then finds them.
    show = Show.objects.select_for_update(of=("self",), no_key=True).filter(pk=show_id)
    currencies = list(show.values_list("theatre__currency", flat=True))
    if not currencies:  # deleted since the preview
        raise ShowNotFound
    require_expressible(prices, currencies[0])
    if is_archived(show_id):
        raise SeatsArchived
    if Seat.objects.filter(show_id=show_id).exists():
        raise SeatMapExists
    publish_seat_changes([show_id])
    return copy_seats([(show_id, layout, prices)])


def copy_seats(maps: Iterable[tuple[int, Layout, Prices]]) -> int:
    """Insert the seats of many shows by COPY, and return their number.

    Memory does not grow with their number. Locks and checks nothing, so the shows
    must not be committed yet, or be locked. Raise PriceMissing.
    """
    count = 0
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY seats (show_id, row, number, price, category, x, y, section) FROM STDIN"
        ) as stream,
    ):
        for show_id, layout, prices in maps:
            check_prices(layout, prices)
            for place in layout.places:
                price = prices[place.category]
                seat = (place.row, place.number, price, place.category, place.x, place.y)
                stream.write_row((show_id, *seat, place.section))
            count += layout.size
    return count


def check_prices(layout: Layout, prices: Prices) -> None:
    """Raise PriceMissing unless every category of the layout has a price."""
    if missing := sorted(layout.categories - prices.keys()):
        raise PriceMissing(f"There is no price for {', '.join(missing)}.", categories=missing)


def require_expressible(prices: Prices, currency: str) -> None:
    """Raise PriceNotExpressible if the currency has fewer digits than a price."""
    finer = sorted(name for name, price in prices.items() if not is_expressible(price, currency))
    if finer:
        raise PriceNotExpressible(
            f"Prices in {currency} have {digits_of(currency) or 'no'} decimal places:"
            f" check {', '.join(finer)}.",
            categories=finer,
        )


def block_seats(
    *, show_id: int, seat_ids: Collection[int], reason: str, actor: User | None = None
) -> list[Seat]:
    """Block seats, and return them by id. Already blocked ones get the new reason.

    Raise SeatNotFound, SeatsArchived or SeatsTaken; then none is blocked. Opens its own
    durable transaction.
    """
    with transaction.atomic(durable=True):
        seats = _lock_for_staff(show_id, seat_ids, refusal="cannot be blocked")
        blocked = {"status": SeatStatus.BLOCKED, "block_reason": reason}
        seats.update(**blocked, hold_id=None, held_until=None)
        publish_seat_changes([show_id])
        _record(show_id, actor, "seats_blocked", reason=reason, seats=_names(seats))
        return list(seats)


def unblock_seats(
    *, show_id: int, seat_ids: Collection[int], actor: User | None = None
) -> list[Seat]:
    """Put blocked seats back on sale, and return all these seats by id. Repeatable.

    Raise SeatNotFound, SeatsArchived or SeatsTaken; then none is unblocked. Opens its own
    durable transaction.
    """
    with transaction.atomic(durable=True):
        seats = _lock_for_staff(show_id, seat_ids, refusal="are not blocked")
        blocked = seats.filter(status=SeatStatus.BLOCKED)
        if names := _names(blocked):
            blocked.update(status=SeatStatus.AVAILABLE, block_reason="")
            publish_seat_changes([show_id])
            _record(show_id, actor, "seats_unblocked", seats=names)
        return list(seats)


def _lock_for_staff(show_id: int, seat_ids: Collection[int], *, refusal: str) -> SeatQuerySet:
    seats = Seat.objects.filter(show_id=show_id, pk__in=seat_ids).order_by("pk")
    if missing := sorted(set(seat_ids) - {seat.pk for seat in _lock_seats(seats)}):
        if is_archived(show_id):
            raise SeatsArchived
        raise SeatNotFound(seat_ids=missing)
    # A separate statement: a hold may have expired while waiting for the lock.
    taken = seats.taken()
    if names := _names(taken):
        raise SeatsTaken(
            f"These seats are sold or held, so they {refusal}: {names}.",
            seat_ids=sorted(seat.pk for seat in taken),
        )
    return seats


def _lock_seats(seats: SeatQuerySet) -> list[Seat]:
    """Return the seats by primary key, locked until the transaction ends."""
    # Every lock on seats is taken in this order, which prevents deadlocks. no_key: other inserts'
    # foreign-key checks don't wait for this lock.
    return list(seats.order_by("pk").select_for_update(of=("self",), no_key=True))


def _record(
    show_id: int,
    actor: User | None,
    action: str,
    *,
    reason: str = "",
    prices: Prices | None = None,
    **facts: Any,
) -> None:
    show = Show.objects.select_related("movie", "theatre", "screen__theatre").get(pk=show_id)
    if prices:
        facts["changes"] = {
            f"{category} price": [money_text(price, show.theatre.currency)]
            for category, price in prices.items()
        }
    audit.record(
        actor=actor,
        action=action,
        subject=show,
        theatre_id=show.theatre_id,
        reason=reason,
        **facts,
    )


def _names(seats: Iterable[Seat]) -> str:
    return ", ".join(map(str, sorted(seats, key=Seat.place)))
