"""Draws a room for the box office, with prices and inputs to select free seats."""

from collections.abc import Collection, Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString

from booking_site.money import money_text
from catalog.admin.drawing import DrawnRow, draw
from catalog.models import Seat, SeatCategory, SeatStatus


def is_free(seat: Seat) -> bool:
    return bool(state_of(seat) == SeatStatus.AVAILABLE)


def state_of(seat: Seat) -> str:
    return str(getattr(seat, "state_now", seat.status))


def draw_room(
    seats: Sequence[Seat], *, currency: str, one_only: bool, chosen: Collection[str]
) -> list[DrawnRow]:
    """Return the rows of the room, to select one seat or several; `chosen` are ids as text."""

    def draw_seat(seat: Seat) -> SafeString:
        ticked = "checked" if str(seat.pk) in chosen else ""
        reason = f", blocked: {seat.block_reason}" if seat.block_reason else ""
        # The state comes last in the label, where the script of the page replaces it.
        return format_html(
            '<label class="seat {category} {state}" title="{name}, {kind}, {price}{reason}">'
            '<input type="{input_type}" name="seat" value="{id}" data-seat="{name}"'
            ' data-price="{price}" aria-label="{name}, {kind}, {price}, {state}" {ticked}>'
            "<b>{number}</b></label>",
            category=seat.category,
            state=state_of(seat),
            name=seat,
            kind=SeatCategory(seat.category).label,
            price=money_text(seat.price, currency),
            reason=reason,
            input_type="radio" if one_only else "checkbox",
            id=seat.pk,
            ticked=ticked if is_free(seat) else "disabled",
            number=seat.number,
        )

    return draw(seats, draw_seat)


def categories(seats: Sequence[Seat]) -> list[SeatCategory]:
    there = {seat.category for seat in seats}
    return [kind for kind in SeatCategory if kind in there]
