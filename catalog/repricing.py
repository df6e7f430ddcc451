"""New prices for the unsold seats of a show. Editing a price card alone changes no seat."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from accounts import audit
from accounts.models import User
from booking_site.api.errors import DomainError
from booking_site.money import money_text
from catalog.archived_rooms import SeatsArchived, is_archived
from catalog.errors import ShowNotFound
from catalog.models import (
    PriceCard,
    Seat,
    SeatCategory,
    SeatQuerySet,
    Show,
    ShowQuerySet,
    ShowStatus,
)
from catalog.seat_changes import publish_seat_changes
from catalog.seat_maps import Prices, require_expressible


class ShowCancelled(DomainError):
    """The show is cancelled, so its prices cannot change."""

    code = "show_cancelled"
    message = "This show is cancelled, so its prices can't change."


@dataclass(frozen=True, slots=True, kw_only=True)
class Repricing:
    """The seats of one category and price, with their new price."""

    category: SeatCategory
    was: Decimal
    becomes: Decimal
    unsold: int  # available or blocked: these get the new price
    taken: int  # sold or held: these do not

    @property
    def changes(self) -> bool:
        return bool(self.unsold) and self.was != self.becomes


def plan_repricing(*, show_id: int, prices: Prices) -> list[Repricing]:
    """Return what `reprice_unsold` would do, by category, and write nothing.

    The price of a category that is not in `prices` does not change. Raise ShowNotFound,
    ShowCancelled, SeatsArchived or PriceNotExpressible.
    """
    _require_sellable(Show.objects.filter(pk=show_id), prices)
    return _plan(Seat.objects.filter(show_id=show_id), prices)


def reprice_unsold(
    *,
    show_id: int,
    prices: Prices,
    reason: str,
    price_card: PriceCard | None = None,
    actor: User | None = None,
) -> int:
    """Set the prices of available and blocked seats by category; return how many changed.

    Prices of sold and held seats do not change. `price_card`, if given, becomes the
    show's card. Repeatable: a second run changes and records nothing. Raise
    ShowNotFound, ShowCancelled, SeatsArchived or PriceNotExpressible. Opens its own durable
    transaction.
    """
    with transaction.atomic(durable=True):
        seats = Seat.objects.filter(show_id=show_id)
        # Bookings lock their seats before they read prices, so they wait for this, or this for
        # them. no_key: other inserts' foreign-key checks don't wait for this lock.
        list(seats.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk"))
        shows = Show.objects.filter(pk=show_id)
        _require_sellable(shows.select_for_update(of=("self",), no_key=True), prices)
        plan = [line for line in _plan(seats, prices) if line.changes]
        count = sum(
            _unsold(seats, line.category, line.was).update(price=line.becomes) for line in plan
        )
        publish_seat_changes([show_id])
        show = shows.select_related("movie", "theatre", "screen__theatre", "price_card").get()
        changes = _price_changes(plan, show.theatre.currency)
        if price_card and show.price_card_id != price_card.pk:
            changes["price_card"] = [str(show.price_card or ""), str(price_card)]
            shows.update(price_card=price_card)
        if changes:
            audit.record(
                actor=actor,
                action="unsold_seats_repriced",
                subject=show,
                theatre_id=show.theatre_id,
                reason=reason,
                seats=count,
                changes=changes,
            )
    return count


def _require_sellable(shows: ShowQuerySet, prices: Prices) -> None:
    show = shows.select_related("theatre").first()
    if show is None:
        raise ShowNotFound
    if show.status == ShowStatus.CANCELLED:
        raise ShowCancelled
    if is_archived(show.pk):
        raise SeatsArchived
    require_expressible(prices, show.theatre.currency)


def _plan(seats: SeatQuerySet, prices: Prices) -> list[Repricing]:
    taken = Counter(seats.taken().values_list("category", "price"))
    every = Counter(seats.values_list("category", "price"))
    order = list(SeatCategory)
    return [
        Repricing(
            category=SeatCategory(category),
            was=was,
            becomes=prices.get(category, was),
            unsold=count - taken[category, was],
            taken=taken[category, was],
        )
        for (category, was), count in sorted(
            every.items(), key=lambda item: (order.index(SeatCategory(item[0][0])), item[0][1])
        )
    ]


def _unsold(seats: SeatQuerySet, category: SeatCategory, price: Decimal) -> SeatQuerySet:
    taken = seats.taken().values("pk")
    return seats.filter(category=category, price=price).exclude(pk__in=taken)


def _price_changes(plan: Iterable[Repricing], currency: str) -> dict[str, list[str]]:
    """Return old and new price by category; several old prices are listed together."""
    changes: dict[str, list[str]] = {}
    for line in plan:
        name = f"{line.category} price"
        was = money_text(line.was, currency)
        before = f"{changes[name][0]}, {was}" if name in changes else was
        changes[name] = [before, money_text(line.becomes, currency)]
    return changes
