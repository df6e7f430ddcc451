"""Moves shows to another time or screen, or swaps the screens of two shows."""

import hashlib
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import NamedTuple

from django.db import IntegrityError, connection

from accounts import audit
from accounts.models import User
from booking_site.api.errors import DomainError, violated_constraint
from booking_site.local_time import clock
from booking_site.postgres.clock import ClockTimestamp
from bookings import mails
from bookings.models import Booking
from bookings.show_changes.reseating import Reseating, apply_reseating, plan_reseating
from bookings.transactions import in_transaction
from catalog.errors import ShowClosed, ShowNotFound
from catalog.models import Screen, Seat, Show, ShowStatus
from catalog.scheduling import ScreenInOtherTheatre, ScreenTaken, collisions_of, ends_of


class StartInPast(DomainError):
    """The new start time is in the past."""

    code = "start_in_past"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class StartBeforeSales(DomainError):
    """Online sales of the show would start only after they end."""

    code = "start_before_sales"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class MoveChanged(DomainError):
    """Seats were sold, held or released after the preview of the move."""

    code = "move_changed"


class Move(NamedTuple):
    """The screen and time that a show should get."""

    show_id: int
    screen_id: int | None
    start_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedShow:
    """A show before the move, after it (`show`, unsaved), and the new places of its seats."""

    before: Show
    show: Show
    seats: Reseating


def plan_moves(moves: Sequence[Move]) -> list[MovedShow]:
    """Return what the moves would do if made together, without writing anything.

    Raise ShowNotFound, ShowClosed, StartInPast, StartBeforeSales, ScreenInOtherTheatre,
    ScreenTaken, DurationMissing, LayoutMissing, PriceMissing or NoEqualSeats.
    """
    return [_plan(move, [other.show_id for other in moves]) for move in moves]


def swap_of(one: Show, other: Show) -> list[Move]:
    """Return the moves that swap the screens of two shows; each keeps its time."""
    return [
        Move(one.pk, other.screen_id, one.start_time),
        Move(other.pk, one.screen_id, other.start_time),
    ]


def fingerprint(moved: Sequence[MovedShow]) -> str:
    """Return a hash that is equal for plans with the same effect on every sold or held seat."""
    facts = [
        (
            each.show.pk,
            each.show.screen_id,
            each.show.start_time.isoformat(),
            [(c.seat_id, c.was, c.becomes.row, c.becomes.number) for c in each.seats.changes],
        )
        for each in moved
    ]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def move_shows(
    *, moves: Sequence[Move], seen: str, actor: User | None, reason: str
) -> list[MovedShow]:
    """Make all the previewed moves or none, and notify every customer by mail.

    `seen` is the fingerprint of the preview. Opens its own transaction. Raise MoveChanged, or
    an error of `plan_moves`.
    """

    def work() -> list[MovedShow]:
        # Seats before shows, as in cancelling a show. From here on, nobody can buy or hold a seat
        # of these shows, and a transaction that waits reads them again.
        ids = [move.show_id for move in moves]
        for rows in (Seat.objects.filter(show__in=ids), Show.objects.filter(pk__in=ids)):
            list(rows.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk"))
        moved = plan_moves(moves)
        if fingerprint(moved) != seen:
            raise MoveChanged(
                "The show has changed since the preview: it was moved, or seats were sold, held or"
                " released. Check the new preview."
            )
        _write_times(moved)
        for each in moved:
            orphaned = apply_reseating(each.show, each.seats)
            _record_and_notify(each, actor=actor, reason=reason, orphaned=orphaned)
        return moved

    try:
        return in_transaction(work)
    except IntegrityError as error:
        if violated_constraint(error) == "show_screen_not_taken":
            raise ScreenTaken("Another show is on the screen at that time.", show=None) from error
        raise


def _plan(move: Move, together: Sequence[int]) -> MovedShow:
    before = (
        Show.objects.filter(pk=move.show_id)
        .select_related("movie", "theatre", "screen__theatre", "price_card")
        .first()
    )
    if before is None:
        raise ShowNotFound
    now = Show.objects.values_list(ClockTimestamp(), flat=True).get(pk=before.pk)
    if before.status == ShowStatus.CANCELLED:
        raise ShowClosed("This show has been cancelled, so it can't move.")
    if before.start_time <= now:
        raise ShowClosed("This show has already started, so it can't move.")
    if move.start_time <= now:
        raise StartInPast("This start time is in the past. Choose a later one.")
    show = _moved(before, move)
    if show.is_never_on_sale and show.sales_open_at:
        opens = clock(show.sales_open_at, show.theatre.zone, "%a %d %b %Y, %H:%M")
        raise StartBeforeSales(
            f"Online sales start on {opens}. Choose a later time, or change their start first."
        )
    if rivals := list(collisions_of(show).exclude(pk__in=together)):
        raise ScreenTaken(
            f"{show.screen} is taken then (turnaround included): {'; '.join(map(str, rivals))}.",
            show=show,
            rivals=rivals,
        )
    return MovedShow(before=before, show=show, seats=plan_reseating(before=before, show=show))


def _moved(before: Show, move: Move) -> Show:
    """Return a copy of the show with its new times and the same length.

    The start of online sales does not change, because it has been announced.
    """
    screen = before.screen
    if move.screen_id != before.screen_id:
        screens = Screen.objects.select_related("theatre")
        screen = screens.get(pk=move.screen_id) if move.screen_id else None
    if screen and screen.theatre_id != before.theatre_id:
        raise ScreenInOtherTheatre(f"{screen.name} belongs to another theatre.")
    later = move.start_time - before.start_time
    planned = ends_of(movie=before.movie, screen=screen, start_time=move.start_time)
    # The show keeps its planned length, even if the movie's duration has changed.
    end_time = before.end_time + later if before.end_time else planned.end_time
    turnaround = timedelta(minutes=screen.turnaround_minutes) if screen else None
    show = copy(before)
    show.screen, show.end_time = screen, end_time
    if later:
        show.start_at(move.start_time)
    show.occupied_until = end_time + turnaround if end_time and turnaround is not None else None
    show.sales_close_at = before.sales_close_at and before.sales_close_at + later
    return show


def _write_times(moved: Sequence[MovedShow]) -> None:
    """Save all shows, and check their screens only then, so that two shows can swap."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS show_screen_not_taken DEFERRED")
        for each in moved:
            each.show.save(
                update_fields=[
                    "screen",
                    "start_time",
                    "planned_utc_offset",
                    "end_time",
                    "occupied_until",
                    "sales_close_at",
                    "updated_at",
                ]
            )
        cursor.execute("SET CONSTRAINTS show_screen_not_taken IMMEDIATE")


def _record_and_notify(
    moved: MovedShow, *, actor: User | None, reason: str, orphaned: Sequence[str]
) -> None:
    before, show = moved.before, moved.show
    audit.record(
        actor=actor,
        action="show_moved",
        subject=show,
        theatre_id=show.theatre_id,
        reason=reason,
        start=[_clock(before), _clock(show)],
        screen=[before.screen and before.screen.name, show.screen and show.screen.name],
        seats=[f"{change.was} → {change.becomes}" for change in moved.seats.changes],
        cancelled_seats_gone=orphaned,
    )
    live = Booking.objects.filter(show=show, cancelled_at__isnull=True).order_by("pk")
    mails.notify_of_moved_show(before, live)


def _clock(show: Show) -> str:
    return clock(show.start_time, show.theatre.zone, "%a %d %b %Y, %H:%M")
