"""Reads a show's terms, locks its seats, and checks whether they can be sold or held."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, Exists, Expression, Func, Q, QuerySet, Subquery
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.models import User
from booking_site.api.errors import DomainError
from booking_site.api.fields import utc_text
from booking_site.api.openapi.values import COUNT, ids
from booking_site.postgres.clock import ClockTimestamp
from booking_site.postgres.pipeline import Call, Param, Rows, Statement
from bookings import seat_choice
from bookings.models import Booking, Hold, HoldEnd
from catalog.errors import SalesNotOpen, ShowClosed, ShowNotFound
from catalog.layouts import row_order
from catalog.models import GapRule, Seat, SeatCategory, SeatStatus, ShowStatus
from catalog.seat_maps import SeatNotFound
from catalog.selling import (
    COMPANION_RULE_ENDS,
    GAP_RULE_ENDS,
    SaleState,
    gap_rule_of,
    sale_state,
)


class SeatUnavailable(DomainError):
    """Some of the seats are taken; `seat_ids` lists them."""

    code = "seat_unavailable"
    members = {"seat_ids": ids("The seats that are taken.")}
    message = _("These seats are taken. Please choose others.")


class SeatsMissing(Exception):
    """Some wanted seats were not locked: they are sold, blocked or of another show.

    Only `refusals_explained` catches it. It reads the reason after the rollback.
    """

    def __init__(self, seat_ids: Collection[int]) -> None:
        super().__init__(seat_ids)
        self.seat_ids = seat_ids


class TooManySeats(DomainError):
    """More seats than `limit` in one hold or one purchase."""

    code = "too_many_seats"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    members = {"limit": COUNT}


@dataclass(frozen=True, slots=True)
class Terms:
    """How a show is sold, and `now`, the database's time when this was read.

    The fields are the columns of `TERMS`, in their order.
    """

    show_id: int
    theatre_id: int
    status: str
    start_time: datetime
    end_time: datetime | None
    sales_open_at: datetime | None
    sales_close_at: datetime | None
    has_layout: bool
    gap_rule: str
    currency: str
    theatre_language: str
    now: datetime

    @property
    def time_left(self) -> timedelta:
        return self.start_time - self.now

    @property
    def gap_rule_applies(self) -> bool:
        rule = gap_rule_of(self, gap_rule=self.gap_rule, has_layout=self.has_layout)
        return rule == GapRule.MIDDLE_ONLY

    def require_open(self) -> None:
        """Raise `ShowClosed` or `SalesNotOpen` unless seats of the show are on sale."""
        match sale_state(self):
            case SaleState.CANCELLED:
                raise ShowClosed(_("This show has been cancelled."))
            case SaleState.STARTED:
                raise ShowClosed(_("This show has already started."))
            case SaleState.CLOSED:
                raise ShowClosed(_("Online sales for this show are closed."))
            case SaleState.NOT_OPEN if self.sales_open_at:
                raise SalesNotOpen(
                    _("Online sales for this show have not started yet."),
                    sales_open_at=utc_text(self.sales_open_at),
                )

    def require_open_at_counter(self) -> None:
        """Raise `ShowClosed` unless the box office may still sell and move seats.

        It may before and after online sales, until the show ends. A show without a
        known end closes at its start.
        """
        if self.status == ShowStatus.CANCELLED:
            raise ShowClosed(_("This show has been cancelled."))
        if (self.end_time or self.start_time) <= self.now:
            raise ShowClosed(_("This show is over."))


def _terms(show: str, bookings: str | None = None) -> Statement:
    """Return the statement that reads the terms.

    For a sale, it also reads `ShowNames` and draws the ids of the new rows.
    """
    columns = joins = ""
    if bookings is not None:
        names = "movies.id, movies.title, theatres.name, screens.name, theatres.timezone"
        columns = f", {names}, {_IDS.format(bookings=bookings)}"
        joins = "JOIN movies ON movies.id = movie_id LEFT JOIN screens ON screens.id = screen_id"
    # Not now(), which is the time of BEGIN, before the wait for locks.
    return Statement(f"""
        SELECT shows.id, shows.theatre_id, status, start_time, end_time, sales_open_at,
               sales_close_at, screen_id IS NOT NULL, gap_rule, currency,
               theatres.language, clock_timestamp() {columns}
          FROM shows JOIN theatres ON theatres.id = shows.theatre_id {joins}
         WHERE shows.id = {show} AND status <> 'planned'
    """)  # noqa: S608 - of constants only


# Draws the ids of the order and its bookings first, because the stored response contains them.
# The inner SELECT hides their number from the planner, which would plan every execution.
_IDS = """
    nextval('orders_id_seq'),
    ARRAY(SELECT nextval('bookings_id_seq') FROM generate_series(1, (SELECT {bookings})))
"""
_OF_HOLD = "(SELECT {} FROM holds WHERE id = %(hold_id)s AND user_id = %(user_id)s)"
_SHOW_OF_HOLD = _OF_HOLD.format("show_id")

TERMS = _terms("%(show_id)s")
TERMS_OF_HOLD = _terms(_SHOW_OF_HOLD)
TERMS_AND_IDS = _terms("%(show_id)s", "%(bookings)s::int")
TERMS_AND_IDS_OF_HOLD = _terms(_SHOW_OF_HOLD, _OF_HOLD.format("cardinality(seat_ids)"))
DRAW_IDS = Statement("SELECT" + _IDS.format(bookings="%(bookings)s::int"))


def terms_of(rows: Rows) -> Terms:
    """Return the terms that `TERMS` has read. Raise `ShowNotFound`.

    Read them *after* locking the seats. A sale does not lock the show; a transaction that
    closes the show locks its seats first.
    """
    if not rows:
        raise ShowNotFound
    return Terms(*rows[0])


class ShowNames(NamedTuple):
    """What the response to a sale contains of the show besides its terms."""

    movie_id: int
    movie_title: str
    theatre_name: str
    screen_name: str | None
    timezone: str


def terms_and_ids(rows: Rows) -> tuple[Terms, ShowNames, tuple[int, list[int]]]:
    """Return what `TERMS_AND_IDS` has read, with the ids of an order and its bookings."""
    terms = terms_of([row[:-7] for row in rows])
    return terms, ShowNames(*rows[0][-7:-2]), rows[0][-2:]


def read_terms(show_id: int) -> Terms:
    """Return the current terms of the show. Raise `ShowNotFound`."""
    return terms_of(TERMS.rows(show_id=show_id))


class LockedSeat(NamedTuple):
    """A row of `seats`, locked until the transaction ends."""

    id: int
    row: str
    number: int
    price: Decimal
    category: str
    x: int | None
    y: int | None
    section: str
    status: str
    hold_id: UUID | None
    held_until: datetime | None

    def place(self) -> tuple[tuple[str, int, str], int]:
        """Return the sort key: by row, then by number."""
        return row_order(self.row), self.number


def _locking(seats: QuerySet[Seat]) -> QuerySet[Seat]:
    return (
        seats.order_by("pk")  # one order everywhere prevents deadlocks
        # no_key: foreign-key checks of other inserts don't wait for this lock.
        .select_for_update(of=("self",), no_key=True)
    )


def lock_seats(*, show_id: int, seat_ids: Collection[int]) -> dict[int, Seat]:
    """Lock these seats until the transaction ends. Return those that the show has, by id."""
    return _locking(Seat.objects.filter(show_id=show_id, pk__in=seat_ids)).in_bulk()


_SOLD_OR_BLOCKED = Q(status__in=[SeatStatus.BOOKED, SeatStatus.BLOCKED])


def _wanted_seats() -> QuerySet[Seat]:
    """Select the wanted seats, those of the user's live hold and, for the gap rule, their rows.

    Wanted seats that are sold or blocked are left out, so a refused purchase doesn't wait for
    them. The gap rule needs whole rows, because two buyers could leave a gap together that
    neither leaves alone. A row is found by its label, which has an index, unlike `y`; every
    line of a layout has its own label.
    """
    own = Hold.objects.filter(
        user_id=Param("user_id"), show_id=Param("show_id"), ended_at__isnull=True
    ).order_by()
    chosen = Seat.objects.filter(pk__among=Param("seat_ids"), show_id=Param("show_id"))
    rows = Seat.objects.filter(
        show_id=Param("show_id"),
        row__in=chosen.values("row"),
        show__screen__isnull=False,
        show__theatre__gap_rule=GapRule.MIDDLE_ONLY,
        show__start_time__gt=ClockTimestamp() + GAP_RULE_ENDS,
    )
    return Seat.objects.filter(
        ~(_SOLD_OR_BLOCKED & Q(pk__among=Param("seat_ids"))),
        show_id=Param("show_id"),
        pk__among=_joined(
            _joined(Param("seat_ids"), Subquery(own.values("seat_ids"))),
            ArraySubquery(rows.values("pk")),
        ),
    )


def _joined(*arrays: Expression | Subquery) -> Func:
    return Func(*arrays, function="array_cat", output_field=ArrayField(BigIntegerField()))


def _seats_of_hold() -> QuerySet[Seat]:
    hold = Hold.objects.filter(pk=Param("hold_id"), user_id=Param("user_id")).exclude(
        end_reason__in=[HoldEnd.BOOKED, HoldEnd.RELEASED]
    )
    return Seat.objects.exclude(_SOLD_OR_BLOCKED).filter(
        pk__among=Subquery(hold.values("seat_ids"))
    )


def _of_confirmed(seats: QuerySet[Seat]) -> QuerySet[Seat]:
    may_buy = Q(email_confirmed_at__isnull=False) | Q(contact_email__isnull=False)
    user = User.objects.filter(may_buy, pk=Param("user_id"))
    return seats.filter(Exists(user))


def _statements(seats: Callable[[], QuerySet[Seat]]) -> tuple[Statement, Statement]:
    """Return two statements that lock the seats; the second only for guests and confirmed users.

    An unconfirmed user is refused anyway, and so does not wait for the seats.
    """
    columns = LockedSeat._fields
    return (
        Statement(lambda: _locking(seats()).values_list(*columns)),
        Statement(lambda: _locking(_of_confirmed(seats())).values_list(*columns)),
    )


_LOCK_WANTED = _statements(_wanted_seats)
_LOCK_SEATS_OF_HOLD = _statements(_seats_of_hold)


def lock_wanted(*, user_id: int, show_id: int, seat_ids: Collection[int]) -> Call:
    """Return the call that locks the seats wanted by a user whose row is locked.

    Too many seats are refused anyway, so no seat is locked, not even those of the user's hold.
    """
    show = show_id if len(seat_ids) <= settings.MAX_SEATS_PER_ORDER else None
    statement = _LOCK_WANTED[settings.EMAIL_CONFIRMATION_REQUIRED]
    return statement(user_id=user_id, show_id=show, seat_ids=list(seat_ids))


def lock_seats_of_hold(*, user_id: int, hold_id: UUID) -> Call:
    """Return the call that locks the seats of a hold that may still be booked."""
    statement = _LOCK_SEATS_OF_HOLD[settings.EMAIL_CONFIRMATION_REQUIRED]
    return statement(user_id=user_id, hold_id=hold_id)


def locked_seats(rows: Rows) -> dict[int, LockedSeat]:
    """Return the seats that the call has locked, by id."""
    return {row[0]: LockedSeat(*row) for row in rows}


def require_locked(seats: Mapping[int, LockedSeat], seat_ids: Collection[int]) -> None:
    """Raise `SeatsMissing` unless all the wanted seats are locked."""
    if missing := set(seat_ids) - seats.keys():
        raise SeatsMissing(missing)


def require_known(seats: Mapping[int, Seat], seat_ids: Collection[int]) -> None:
    """Raise `SeatNotFound`, with the missing ids, unless the show has all the seats."""
    if missing := set(seat_ids) - seats.keys():
        raise SeatNotFound(seat_ids=sorted(missing))


def is_free(seat: Seat | LockedSeat, *, now: datetime, hold_id: UUID | None) -> bool:
    """Return whether the owner of the hold can have the seat. Expired holds don't count."""
    if seat.held_until is None:  # the seat is not held
        return seat.status == SeatStatus.AVAILABLE
    return seat.hold_id == hold_id or seat.held_until <= now


def require_free(
    seats: Iterable[Seat | LockedSeat], *, now: datetime, hold_id: UUID | None
) -> None:
    """Raise `SeatUnavailable` unless the owner of the hold can have all the seats."""
    if taken := [seat.id for seat in seats if not is_free(seat, now=now, hold_id=hold_id)]:
        raise SeatUnavailable(seat_ids=sorted(taken))


def require_few(seat_ids: Collection[int]) -> None:
    """Raise `TooManySeats` if these are too many for one hold or purchase."""
    if len(seat_ids) > (limit := settings.MAX_SEATS_PER_ORDER):
        message = ngettext(
            "You can choose at most %(limit)d seat at a time.",
            "You can choose at most %(limit)d seats at a time.",
            limit,
        )
        raise TooManySeats(message % {"limit": limit}, limit=limit)


def places_of(
    seats: Iterable[Seat | LockedSeat],
    *,
    now: datetime,
    hold_id: UUID | None,
    remaining: Collection[int] = (),
) -> list[seat_choice.Place]:
    """Return places as the owner of the hold sees them. Seats that stay in it count as taken."""
    return seat_choice.places_from(
        (
            seat.id,
            seat.row,
            seat.number,
            seat.x,
            seat.y,
            seat.category,
            seat.id not in remaining and is_free(seat, now=now, hold_id=hold_id),
        )
        for seat in seats
    )


def check_choice(
    *,
    user_id: int,
    terms: Terms,
    seats: Mapping[int, LockedSeat],
    chosen: Collection[int],
    hold_id: UUID | None,
    remaining: Collection[int] = (),
) -> None:
    """Apply the gap rule and the companion rule to the chosen seats.

    `seats` are all locked seats: the chosen ones and, for the gap rule, their whole rows.
    `remaining` are the seats that stay in the user's hold. Raise `SingleSeatGap` or
    `CompanionRequired`.
    """
    if terms.gap_rule_applies:
        room = places_of(seats.values(), now=terms.now, hold_id=hold_id, remaining=remaining)
        seat_choice.refuse_gap(room, chosen)
    has_companion = any(seats[pk].category == SeatCategory.COMPANION for pk in chosen)
    if has_companion and terms.time_left > COMPANION_RULE_ENDS:
        # No locks: only this user's own seats matter, and the user's row is locked.
        rows = Seat.objects.filter(show_id=terms.show_id, row__in={seats[pk].row for pk in chosen})
        owned = Booking.objects.filter(
            user_id=user_id, show_id=terms.show_id, cancelled_at__isnull=True
        ).values_list("seat_id", flat=True)
        seat_choice.refuse_lone_companions(
            places_of(rows, now=terms.now, hold_id=hold_id), chosen, owned={*owned, *remaining}
        )
