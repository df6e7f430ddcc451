"""The seat map of a show, as one caller sees it.

It is the most frequent response of the site, so it is not built from models. One statement reads
a letter per seat, its state. The JSON around the letters changes rarely and is cached, and so is
the whole response while the letters stay the same.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from accounts.authentication import CLAIMS, IS_ACTIVE, Caller
from booking_site.http.middleware import etag_of
from booking_site.money import money_text
from booking_site.postgres.pipeline import Statement
from catalog.archived_rooms import archived_seats
from catalog.errors import ShowNotFound
from catalog.layouts import row_order
from catalog.models import Seat, SeatStatus, ShowStatus

# A room of 240 seats takes 80 KB, half of it the last response.
MAX_CACHED_ROOMS = 100

# One row for the whole map. A letter is the state of a seat as the caller sees it, and includes
# everything committed before the statement began. The fingerprint identifies the drawing that
# the letters are put into, together with the currency. It combines the column `facts`, a hash of
# what the map shows of a seat except its state, which the database computes when a seat is written
# rather than in every read.
# The letters come in the order of an index, so nothing is sorted.
# `caller` is empty if the token has been revoked.
_READ = Statement(
    lambda: (
        f"""
    WITH caller AS ({IS_ACTIVE.compiled.sql})
    SELECT (SELECT ARRAY[status, currency, CASE WHEN start_time < now() THEN
                             (SELECT 'archived' FROM archived_rooms WHERE show_id = shows.id) END]
              FROM shows JOIN theatres ON theatres.id = theatre_id
             WHERE shows.id = %(show)s),
           bit_xor(facts),
           string_agg(
               CASE status
               WHEN 'available' THEN 'a'
               WHEN 'booked' THEN
                   CASE WHEN id = ANY(ARRAY(
                       SELECT seat_id FROM bookings
                        WHERE show_id = %(show)s AND cancelled_at IS NULL
                          AND user_id = (SELECT id FROM caller))) THEN 'B' ELSE 'b' END
               WHEN 'blocked' THEN 'x'
               ELSE
                   CASE WHEN held_until <= clock_timestamp() THEN 'a'
                        WHEN hold_id = (
                            SELECT id FROM holds
                             WHERE show_id = %(show)s AND ended_at IS NULL
                               AND user_id = (SELECT id FROM caller)) THEN 'H' ELSE 'h' END
               END, '' ORDER BY row, number)
      FROM seats
     -- The SELECT hides the show from the planner, which otherwise plans each execution: it
     -- estimates that an unknown show has more seats than a known one.
     WHERE show_id = (SELECT %(show)s::bigint)
"""  # noqa: S608 - SQL of our own
    )
)
_DRAW = Statement("""
    SELECT id, row, number, price, category, x, y, section,
           facts, row_number() OVER (ORDER BY row, number) - 1
      FROM seats
     WHERE show_id = %(show)s
""")


def _state_json(status: str, user_id: int | None, state: str, *, mine: bool) -> bytes:
    members = {"status": status, "user_id": user_id, "state": state, "mine": mine}
    return _json(members)[1:-1]


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


# The JSON of each letter, except `B`, which contains the caller's id.
_STATES = {
    "a": _state_json("available", None, "available", mine=False),
    "b": _state_json("booked", None, "booked", mine=False),
    "h": _state_json("booked", None, "held", mine=False),
    "H": _state_json("available", None, "held", mine=True),
    "x": _state_json("booked", None, "blocked", mine=False),
}


class SeatMap(NamedTuple):
    body: bytes  # a JSON array
    etag: str


@dataclass(slots=True)
class _Drawing:
    """The JSON before, between and after the states of the seats.

    The seats are those with a row. Archived seats are part of the JSON around them, because their
    state does not change. `places` has the position of each seat's letter. `last` has the letters
    of the last map that was the same for every caller, and that map.
    """

    fingerprint: int
    currency: str
    is_archived: bool
    around: list[bytes]
    places: list[int]
    last: tuple[str, SeatMap] | None = None


def _seat_map(body: bytes) -> SeatMap:
    return SeatMap(body, etag_of(body))


_EMPTY = _seat_map(b"[]")


class _Room:
    """The cached drawing of a show, valid if its fingerprint and currency are those just read."""

    drawing: _Drawing | None = None


@lru_cache(MAX_CACHED_ROOMS)
def _room(show_id: int) -> _Room:
    return _Room()


def seat_map(*, show_id: int, caller: Caller | None) -> SeatMap:
    """Return the seats of the show, row A first, then by number.

    `status` is `available` if the caller can book the seat; `state` has the details. `user_id` is
    the caller's id on seats that the caller has booked, and null on all others, so that nobody
    learns who sits where. One statement; three if this process has no current drawing. Raise
    `ShowNotFound`.
    """
    claims = caller.claims if caller else dict.fromkeys(CLAIMS)
    while True:
        ((show, fingerprint, letters),) = _READ.rows(show=show_id, **claims)
        if show is None or show[0] == ShowStatus.PLANNED:
            raise ShowNotFound
        currency, is_archived = show[1], show[2] is not None
        if letters is None and not is_archived:
            return _EMPTY
        room = _room(show_id)
        drawing = room.drawing
        current = fingerprint or 0, currency, is_archived
        if drawing and (drawing.fingerprint, drawing.currency, drawing.is_archived) == current:
            break
        archived = archived_seats(show_id) if is_archived else []
        room.drawing = _draw(_DRAW.rows(show=show_id), archived, currency, is_archived=is_archived)
    letters = letters or ""
    if "B" in letters or "H" in letters:
        return _fill(drawing, letters, claims["user_id"])
    # The same letters in the same drawing make the same bytes.
    last = drawing.last
    if last is None or last[0] != letters:
        last = drawing.last = letters, _fill(drawing, letters, None)
    return last[1]


def _fill(drawing: _Drawing, letters: str, user_id: int | None) -> SeatMap:
    states = _STATES | {"B": _state_json("booked", user_id, "booked", mine=True)}
    text = [b""] * (2 * len(letters) + 1)
    text[::2] = drawing.around
    text[1::2] = [states[letters[place]] for place in drawing.places]
    return _seat_map(b"".join(text))


def _draw(rows: list[Any], archived: list[Seat], currency: str, *, is_archived: bool) -> _Drawing:
    fingerprint = 0
    around = []
    places = []
    behind = b"["
    seats = rows + [
        (s.pk, s.row, s.number, s.price, s.category, s.x, s.y, s.section, 0, s.status)
        for s in archived
    ]
    seats.sort(key=lambda seat: (row_order(seat[1]), seat[2]))
    for pk, row, number, price, category, x, y, section, map_hash, place in seats:
        price_text = money_text(price, currency)
        before = _json(
            {"id": pk, "row": row, "section": section, "number": number, "price": price_text}
        )
        behind += before[:-1] + b","
        if isinstance(place, str):
            behind += _STATES["x" if place == SeatStatus.BLOCKED else "a"]
        else:
            fingerprint ^= map_hash
            places.append(place)
            around.append(behind)
            behind = b""
        after = _json({"category": category, "x": x, "y": y})
        behind += b"," + after[1:] + b","
    around.append(behind.removesuffix(b",") + b"]")
    return _Drawing(fingerprint, currency, is_archived, around, places)
