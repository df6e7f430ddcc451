"""What every claim on seats needs: the show's terms, the seats' locks, the rules of the house."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from accounts.models import User
from booking_site.api.errors import DomainError
from booking_site.postgres.compiled import Compiled, Given
from booking_site.postgres.statements import Call, Statement
from bookings import seat_choice
from bookings.models import Booking
from catalog.errors import ShowNotFound
from catalog.models import (
    GapRule,
    Seat,
    SeatCategory,
    SeatStatus,
    ShowStatus,
)
from catalog.seat_maps import SeatNotFound

GAP_RULE_ENDS = timedelta(minutes=30)
COMPANION_RULE_ENDS = timedelta(minutes=60)


class SeatUnavailable(DomainError):
    """Some of the seats are taken; `seat_ids` names them."""

    code = "seat_unavailable"

    def __init__(self, seat_ids: Collection[int]) -> None:
        super().__init__(
            "These seats are taken. Please choose others.",
            seat_ids=sorted(seat_ids),
        )


class ShowClosed(DomainError):
    """The show is not on sale: it has started, is cancelled, or its sales are closed."""

    code = "show_closed"


class TooManySeats(DomainError):
    """More seats than `limit` in one hold or one purchase."""

    code = "too_many_seats"
    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"You can choose at most {limit} seats at a time.", limit=limit)


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a show is sold, and what the database's clock said when asked.

    Behind `show_id` come the `TERMS_COLUMNS`, in their order.
    """

    show_id: int
    theatre_id: int
    status: str
    start_time: datetime
    end_time: datetime | None
    sales_close_at: datetime | None
    has_layout: bool
    gap_rule: str
    currency: str
    now: datetime

    @property
    def time_left(self) -> timedelta:
        return self.start_time - self.now

    @property
    def gap_rule_applies(self) -> bool:
        return (
            self.gap_rule == GapRule.MIDDLE_ONLY
            and self.has_layout
            and self.time_left > GAP_RULE_ENDS
        )

    def require_open(self) -> None:
        """Raise `ShowClosed` unless seats of the show are on sale."""
        if self.status == ShowStatus.CANCELLED:
            raise ShowClosed("This show has been cancelled.")
        if self.start_time <= self.now:
            raise ShowClosed("This show has already started.")
        if self.sales_close_at is not None and self.sales_close_at <= self.now:
            raise ShowClosed("Online sales for this show are closed.")

    def require_open_at_counter(self) -> None:
        """Raise `ShowClosed` unless the box office may still sell and move seats.

        It may until the show is over, to people who come late; the end of online
        sales does not bind it. A show without a known end closes at its start.
        """
        if self.status == ShowStatus.CANCELLED:
            raise ShowClosed("This show has been cancelled.")
        if (self.end_time or self.start_time) <= self.now:
            raise ShowClosed("This show is over.")


# Not now(): that stands still from BEGIN on, while we wait for locks.
TERMS_COLUMNS = """
    theatre_id, status, start_time, end_time, sales_close_at,
    screen_id IS NOT NULL, gap_rule, currency, clock_timestamp()
"""
TERMS = Statement(f"""
    SELECT {TERMS_COLUMNS}
      FROM shows JOIN theatres ON theatres.id = theatre_id
     WHERE shows.id = %(show)s AND status <> 'planned'
""")  # noqa: S608 - a constant of this module


def read_terms(show_id: int) -> Terms:
    """Return the show's terms as of now; raise `ShowNotFound` when there is no such show to buy.

    What must hold when the seats are written is read *after* their locks: the
    show has no lock of its own, and whoever closes it locks its seats first.
    """
    found = TERMS.row(show=show_id)
    if found is None:
        raise ShowNotFound
    return Terms(show_id, *found)


_CHOSEN = Q(pk__among=Given("seat_ids"))


def _locked(seats: Q) -> QuerySet[Seat]:
    return (
        Seat.objects.filter(seats, show_id=Given("show_id"))
        .order_by("pk")  # one order for everyone, so no deadlock
        # no_key: foreign-key checks of other inserts need not wait for us.
        .select_for_update(of=("self",), no_key=True)
    )


_SEATS_LOCKED = Compiled(lambda: _locked(_CHOSEN))
# By label, which stands in an index, unlike `y`: no two lines of a layout share one.
_ROWS_LOCKED = Compiled(
    lambda: _locked(Q(row__in=Seat.objects.filter(_CHOSEN, show_id=Given("show_id")).values("row")))
)


def lock_seats(*, show_id: int, seat_ids: Collection[int], whole_rows: bool) -> dict[int, Seat]:
    """Return those of the seats that the show has, by id, locked until the transaction ends.

    With `whole_rows` every seat of the rows they stand in is locked and
    returned too: two buyers must not make together what neither could alone.
    """
    locked = _ROWS_LOCKED if whole_rows else _SEATS_LOCKED
    return {seat.pk: seat for seat in locked.rows(show_id=show_id, seat_ids=sorted(seat_ids))}


def locking_of_seats(*, show_id: int, seat_ids: Collection[int], whole_rows: bool) -> Call:
    """Return what `lock_seats` asks, to be sent ahead."""
    locked = _ROWS_LOCKED if whole_rows else _SEATS_LOCKED
    return locked.call(show_id=show_id, seat_ids=sorted(seat_ids))


def require_known(seats: Mapping[int, Seat], seat_ids: Collection[int]) -> None:
    """Raise `SeatNotFound` naming the ids that are not among the seats of the show."""
    if missing := set(seat_ids) - seats.keys():
        raise SeatNotFound("Some seats are not part of this show.", seat_ids=sorted(missing))


def is_free(seat: Seat, *, now: datetime, hold_id: UUID | None) -> bool:
    """Say whether the owner of the hold may have the seat. A hold that is over holds nothing."""
    if seat.held_until is None:  # as it is for every seat that is not held
        return seat.status == SeatStatus.AVAILABLE
    return seat.hold_id == hold_id or seat.held_until <= now


def require_free(seats: Iterable[Seat], *, now: datetime, hold_id: UUID | None) -> None:
    """Raise `SeatUnavailable` naming the seats that the owner of the hold may not have."""
    if taken := [seat.pk for seat in seats if not is_free(seat, now=now, hold_id=hold_id)]:
        raise SeatUnavailable(taken)


def require_few(seat_ids: Collection[int]) -> None:
    """Raise `TooManySeats` when one hold or one purchase may not have so many."""
    if len(seat_ids) > settings.MAX_SEATS_PER_ORDER:
        raise TooManySeats(limit=settings.MAX_SEATS_PER_ORDER)


def draw(
    seats: Iterable[Seat], *, now: datetime, hold_id: UUID | None, kept: Collection[int] = ()
) -> list[seat_choice.Place]:
    """Draw the seats as the owner of the hold sees them; what stays `kept` in it is taken."""
    return seat_choice.places_from(
        (
            seat.pk,
            seat.row,
            seat.number,
            seat.x,
            seat.y,
            seat.category,
            seat.pk not in kept and is_free(seat, now=now, hold_id=hold_id),
        )
        for seat in seats
    )


def judge_choice(
    *,
    user: User,
    terms: Terms,
    seats: dict[int, Seat],
    chosen: Collection[int],
    hold_id: UUID | None,
    kept: Collection[int] = (),
) -> None:
    """Apply the rules of the house to seats chosen for the first time.

    `seats` are the locked ones, the chosen among them; where the gap rule is
    on, whole rows. `kept` are seats that stay in the user's hold. Raise
    `SingleSeatGap` or `CompanionRequired`.
    """
    if terms.gap_rule_applies:
        room = draw(seats.values(), now=terms.now, hold_id=hold_id, kept=kept)
        seat_choice.refuse_gap(room, chosen)
    has_companion = any(seats[pk].category == SeatCategory.COMPANION for pk in chosen)
    if has_companion and terms.time_left > COMPANION_RULE_ENDS:
        # Plain reads: only this user's own seats count, and the user's row is locked.
        rows = Seat.objects.filter(show_id=terms.show_id, row__in={seats[pk].row for pk in chosen})
        owned = Booking.objects.filter(
            user=user, show_id=terms.show_id, cancelled_at__isnull=True
        ).values_list("seat_id", flat=True)
        seat_choice.refuse_lone_companions(
            draw(rows, now=terms.now, hold_id=hold_id), chosen, owned={*owned, *kept}
        )
