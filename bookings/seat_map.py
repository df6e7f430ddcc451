"""The seat map of a show, as one caller sees it.

It is the most frequent response of the site, so it is not built from models. One statement reads
a letter per seat, its state. The JSON around the letters changes rarely and is cached, and so is
the whole response while the letters stay the same.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from django.db.utils import DEFAULT_DB_ALIAS

from accounts.authentication import CLAIMS, IS_ACTIVE, Caller
from booking_site.http.middleware import etag_of
from booking_site.money import money_text
from booking_site.postgres.pipeline import Statement
from catalog.archived_rooms import archived_seats
from catalog.errors import ShowNotFound
from catalog.layouts import row_order
from catalog.models import Seat, SeatStatus, ShowStatus, layout_fingerprint

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
    SELECT (SELECT ARRAY[status, currency, CASE WHEN start_time < now() THEN (
                             SELECT seats_hash::text FROM archived_rooms
                              WHERE show_id = shows.id) END]
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


class _State(NamedTuple):
    """What a letter means for the caller."""

    status: str
    state: str
    mine: bool = False


_STATES = {
    "a": _State("available", "available"),
    "b": _State("booked", "booked"),
    "B": _State("booked", "booked", mine=True),
    "h": _State("booked", "held"),
    "H": _State("available", "held", mine=True),
    "x": _State("booked", "blocked"),
}
# In a list of unavailable seats, the caller's bookings are like others, and the caller's held seats
# are available.
_WITHOUT_CALLER = str.maketrans("BH", "ba")


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _state_json(letter: str, user_id: int | None = None) -> bytes:
    status, state, mine = _STATES[letter]
    return _json({"status": status, "user_id": user_id, "state": state, "mine": mine})[1:-1]


# The JSON of each letter, except `B`, which contains the caller's id.
_STATE_JSON = {letter: _state_json(letter) for letter in _STATES}
_UNAVAILABLE_JSON = {
    letter: _json({"status": status, "state": state})[1:-1]
    for letter, (status, state, _) in _STATES.items()
    if status != "available"
}


class SeatMap(NamedTuple):
    body: bytes  # a JSON array
    etag: str
    layout_fingerprint: str


@dataclass(slots=True)
class _Drawing:
    """The JSON before, between and after the states of the seats.

    `ids` and `places` have the id of each seat and the position of its letter. The letters of the
    seats with a row come first, then `archived`, those of the archived seats, which do not change.
    `archived_hash` is None unless the show is archived. `last` has the letters of the last map that
    was the same for every caller, and that map; `last_unavailable`, those of `unavailable_seats`.
    """

    fingerprint: int
    currency: str
    archived_hash: int | None
    around: list[bytes]
    ids: list[int]
    places: list[int]
    archived: str
    last: tuple[str, SeatMap] | None = None
    last_unavailable: tuple[str, SeatMap] | None = None

    def with_body(self, body: bytes) -> SeatMap:
        layout = layout_fingerprint(self.fingerprint ^ (self.archived_hash or 0))
        return SeatMap(body, etag_of(body), layout)


class _Room:
    """The cached drawing of a show, valid if its fingerprint and currency are those just read."""

    drawing: _Drawing | None = None


@lru_cache(MAX_CACHED_ROOMS)
def _room(show_id: int) -> _Room:
    return _Room()


def seat_map(*, show_id: int, caller: Caller | None, using: str = DEFAULT_DB_ALIAS) -> SeatMap:
    """Return the seats of the show, row A first, then by number.

    `status` is `available` if the caller can book the seat; `state` has the details. `user_id` is
    the caller's id on seats that the caller has booked, and null on all others, so that nobody
    learns who sits where. One statement; three if this process has no current drawing. Raise
    `ShowNotFound`.
    """
    drawing, letters = _read(show_id, caller, using)
    if caller and ("B" in letters or "H" in letters):
        return _fill(drawing, letters, caller.id)
    # The same letters in the same drawing make the same bytes.
    last = drawing.last
    if last is None or last[0] != letters:
        last = drawing.last = letters, _fill(drawing, letters, None)
    return last[1]


def unavailable_seats(
    *, show_id: int, caller: Caller | None, using: str = DEFAULT_DB_ALIAS
) -> SeatMap:
    """Return `id`, `status` and `state` of the seats that the caller cannot book.

    States, order, statements and errors are those of `seat_map`.
    """
    drawing, letters = _read(show_id, caller, using)
    letters = letters.translate(_WITHOUT_CALLER)
    last = drawing.last_unavailable
    if last is None or last[0] != letters:
        last = drawing.last_unavailable = letters, _fill_unavailable(drawing, letters)
    return last[1]


def _read(show_id: int, caller: Caller | None, using: str) -> tuple[_Drawing, str]:
    """Return the current drawing of the show, and the letters of its seats."""
    claims = caller.claims if caller else dict.fromkeys(CLAIMS)
    while True:
        ((show, fingerprint, letters),) = _READ.rows(using=using, show=show_id, **claims)
        if show is None or show[0] == ShowStatus.PLANNED:
            raise ShowNotFound
        currency, archived_hash = show[1], None if show[2] is None else int(show[2])
        room = _room(show_id)
        drawing = room.drawing
        current = fingerprint or 0, currency, archived_hash
        if drawing and (drawing.fingerprint, drawing.currency, drawing.archived_hash) == current:
            return drawing, (letters or "") + drawing.archived
        archived = [] if archived_hash is None else archived_seats(show_id, using)
        rows = _DRAW.rows(using=using, show=show_id)
        room.drawing = _draw(rows, archived, currency, archived_hash)


def _fill(drawing: _Drawing, letters: str, user_id: int | None) -> SeatMap:
    states = _STATE_JSON | {"B": _state_json("B", user_id)}
    text = [b""] * (2 * len(letters) + 1)
    text[::2] = drawing.around
    text[1::2] = [states[letters[place]] for place in drawing.places]
    return drawing.with_body(b"".join(text))


def _fill_unavailable(drawing: _Drawing, letters: str) -> SeatMap:
    seats = (
        b'{"id":%d,%b}' % (seat_id, state)
        for seat_id, place in zip(drawing.ids, drawing.places, strict=True)
        if (state := _UNAVAILABLE_JSON.get(letters[place]))
    )
    return drawing.with_body(b"[%b]" % b",".join(seats))


def _draw(
    rows: list[Any], archived: list[Seat], currency: str, archived_hash: int | None
) -> _Drawing:
    seats = rows + [
        (s.pk, s.row, s.number, s.price, s.category, s.x, s.y, s.section, 0, place)
        for place, s in enumerate(archived, start=len(rows))
    ]
    seats.sort(key=lambda seat: (row_order(seat[1]), seat[2]))
    fingerprint = 0
    around = []
    behind = b"["
    for pk, row, number, price, category, x, y, section, map_hash, _ in seats:
        fingerprint ^= map_hash
        price_text = money_text(price, currency)
        before = _json(
            {"id": pk, "row": row, "section": section, "number": number, "price": price_text}
        )
        around.append(behind + before[:-1] + b",")
        after = _json({"category": category, "x": x, "y": y})
        behind = b"," + after[1:] + b","
    around.append(behind.removesuffix(b",") + b"]")
    return _Drawing(
        fingerprint=fingerprint,
        currency=currency,
        archived_hash=archived_hash,
        around=around,
        ids=[seat[0] for seat in seats],
        places=[seat[-1] for seat in seats],
        archived="".join("x" if s.status == SeatStatus.BLOCKED else "a" for s in archived),
    )
