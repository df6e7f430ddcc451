"""Sales for demo shows: parties that sit together, online and at the counter.

Repeatable: a show that has a booking is skipped. Bookings of past shows are dated before
their start.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from accounts.models import User
from bookings.models import Booking, Channel, Order
from bookings.services.sales import new_reference
from bookings.services.seat_locks import Terms, lock_seats, read_terms
from bookings.transactions import in_transaction
from catalog.models import Seat, SeatCategory, SeatStatus, Show

PARTY_SIZES = (2, 2, 4, 3, 2, 5, 2, 6)
SOLD_AT_THE_COUNTER = 0.3
# The share of a room that is sold in the end, by the local hour of the start.
SHARE_BY_HOUR = ((19, 0.58), (16, 0.36), (13, 0.2), (0, 0.12))
WEEKEND_FACTOR = 1.35
FRIDAY = 4
# Each day before the show, this share of the next day's sales has been made.
SOLD_PER_DAY_AHEAD = 0.62
LARGEST_SHARE = 0.94


def sell_demo_seats(
    show: Show, *, customers: Sequence[User], clerk: User, first: User | None = None
) -> int:
    """Sell a part of the room, unless the show has bookings; return how many seats.

    `first` buys the first party. The show's movie and theatre are loaded.
    Opens its own transaction.
    """

    def work() -> int:
        seat_ids = Seat.objects.filter(show=show).values_list("pk", flat=True)
        seats = lock_seats(show_id=show.pk, seat_ids=list(seat_ids))
        if Booking.objects.filter(show=show).exists():
            return 0
        random = Random(f"sales of {show}")  # noqa: S311 - no secret
        terms = read_terms(show.pk)
        share = _share(show, terms.now, random)
        parties = list(_parties(seats.values(), share, random))
        orders = [_order(customers, clerk, random) for _ in parties]
        if first and orders:
            orders[0] = Order(channel=Channel.WEB, user=first)
        _write(orders, parties, terms, random)
        return sum(map(len, parties))

    return in_transaction(work)


def _write(
    orders: Sequence[Order], parties: Sequence[list[Seat]], terms: Terms, random: Random
) -> None:
    """Write what `services.sales` would, but for all parties of a show at once."""
    for order, party in zip(orders, parties, strict=True):
        order.reference = new_reference()
        order.show_id, order.currency = terms.show_id, terms.currency
        order.total = sum((seat.price for seat in party), start=Decimal(0))
        order.created_at = _moment(order, terms, random)
    Order.objects.bulk_create(orders)
    Booking.objects.bulk_create(
        Booking(
            user_id=order.user_id,
            show_id=order.show_id,
            seat=seat,
            order=order,
            price=seat.price,
            booked_at=order.created_at,
        )
        for order, party in zip(orders, parties, strict=True)
        for seat in party
    )
    sold = [seat.pk for party in parties for seat in party]
    Seat.objects.filter(pk__in=sold).update(status=SeatStatus.BOOKED)


def _share(show: Show, now: datetime, random: Random) -> float:
    """Return the share of the seats that is sold by now."""
    start = show.start_time.astimezone(show.theatre.zone)
    share = next(share for hour, share in SHARE_BY_HOUR if start.hour >= hour)
    if start.weekday() >= FRIDAY:
        share *= WEEKEND_FACTOR
    days_ahead = max(0.0, (show.start_time - now) / timedelta(days=1))
    share *= random.uniform(0.6, 1.3) * math.pow(SOLD_PER_DAY_AHEAD, days_ahead)
    return min(share, LARGEST_SHARE)


def _parties(seats: Iterable[Seat], share: float, random: Random) -> Iterator[list[Seat]]:
    """Yield adjacent seats, the rear and the middle first; wheelchair places stay free.

    Parties in a row sit next to each other, and no single seat is left at its ends.
    """
    rows: dict[int, list[Seat]] = defaultdict(list)
    for seat in seats:
        if seat.status == SeatStatus.AVAILABLE and seat.category in (
            SeatCategory.STANDARD,
            SeatCategory.PREMIUM,
        ):
            rows[seat.y or 0].append(seat)
    middle = 0.65 * max(rows, default=0)
    wanted = round(share * sum(map(len, rows.values())))
    for y in sorted(rows, key=lambda y: abs(y - middle) * random.uniform(0.4, 1.6)):
        for block in _blocks(rows[y]):
            left = min(wanted, round(len(block) * random.uniform(0.5, 1.0)))
            start = _start(len(block), left, random)
            while left > 0:
                size = min(left, random.choice(PARTY_SIZES))
                yield block[start : start + size]
                start, left, wanted = start + size, left - size, wanted - size


def _blocks(row: list[Seat]) -> Iterator[list[Seat]]:
    """Yield the runs of adjacent seats, without an aisle or a taken seat between them."""
    row.sort(key=lambda seat: seat.x or 0)
    begin = 0
    for index in range(1, len(row) + 1):
        if index == len(row) or (row[index].x or 0) != (row[index - 1].x or 0) + 1:
            yield row[begin:index]
            begin = index


def _start(length: int, taken: int, random: Random) -> int:
    free = length - taken
    places = [place for place in range(free + 1) if 1 not in (place, free - place)]
    return random.choice(places or [0])


def _order(customers: Sequence[User], clerk: User, random: Random) -> Order:
    if random.random() < SOLD_AT_THE_COUNTER:
        return Order(channel=Channel.BOX_OFFICE, sold_by=clerk)
    return Order(channel=Channel.WEB, user=random.choice(customers))


def _moment(order: Order, terms: Terms, random: Random) -> datetime:
    """Return when it was bought, never in the future; at the counter just before the show."""
    latest = min(terms.now, terms.start_time)
    at_the_door = order.channel == Channel.BOX_OFFICE and latest == terms.start_time
    longest = timedelta(minutes=80) if at_the_door else timedelta(days=5)
    return latest - longest * random.random() ** 2
