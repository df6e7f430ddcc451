"""New prices for those seats of a show that nobody has. A changed price card alone changes none."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from accounts import audit
from accounts.models import User
from booking_site.api.errors import DomainError
from catalog.errors import ShowNotFound
from catalog.models import PriceCard, Seat, SeatCategory, SeatQuerySet, Show, ShowStatus
from catalog.seat_maps import Prices


class ShowCancelled(DomainError):
    """A cancelled show sells nothing, so its prices stay as they were."""

    code = "show_cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repricing:
    """Seats of one category that cost the same, and what becomes of that."""

    category: SeatCategory
    was: Decimal
    becomes: Decimal
    unsold: int  # free or blocked: these get the new price
    taken: int  # sold or held: these keep theirs

    @property
    def changes(self) -> bool:
        return bool(self.unsold) and self.was != self.becomes


def plan_repricing(*, show_id: int, prices: Prices) -> list[Repricing]:
    """Work out what `reprice_unsold` would do, category by category, and write nothing.

    A category without a price in `prices` keeps what it costs. Raise ShowNotFound or
    ShowCancelled.
    """
    _require_sellable(Show.objects.filter(pk=show_id))
    return _plan(Seat.objects.filter(show_id=show_id), prices)


def reprice_unsold(
    *,
    show_id: int,
    prices: Prices,
    reason: str,
    price_card: PriceCard | None = None,
    actor: User | None = None,
) -> int:
    """Give every free or blocked seat the price of its category, and return how many changed.

    Seats that are sold or held at this moment keep their price. The card, when there is
    one, becomes the show's own. Repeatable: a second time nothing changes and nothing is
    recorded. Raise ShowNotFound or ShowCancelled. Opens its own durable transaction.
    """
    with transaction.atomic(durable=True):
        seats = Seat.objects.filter(show_id=show_id)
        # Buyers lock their seats and then read the price: they wait here, or we for them.
        # no_key: foreign-key checks of other inserts need not wait for us.
        list(seats.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk"))
        shows = Show.objects.filter(pk=show_id)
        _require_sellable(shows.select_for_update(of=("self",), no_key=True))
        plan = [line for line in _plan(seats, prices) if line.changes]
        count = sum(
            _unsold(seats, line.category, line.was).update(price=line.becomes) for line in plan
        )
        show = shows.select_related("movie", "theatre", "screen__theatre", "price_card").get()
        changes = _by_category(plan)
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


def _require_sellable(shows: Iterable[Show]) -> None:
    show = next(iter(shows), None)
    if show is None:
        raise ShowNotFound
    if show.status == ShowStatus.CANCELLED:
        raise ShowCancelled("This show is cancelled, so its prices stay as they were.")


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


def _by_category(plan: Iterable[Repricing]) -> dict[str, list[str]]:
    """Return old and new price by category; a category that cost several prices lists them."""
    changes: dict[str, list[str]] = {}
    for line in plan:
        name = f"{line.category} price"
        before = f"{changes[name][0]}, {line.was}" if name in changes else str(line.was)
        changes[name] = [before, str(line.becomes)]
    return changes
