"""The layout of a show: its seats without anything that a sale changes.

It has what a client needs to draw the room, or to list its seats for a screen reader.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from itertools import pairwise
from operator import xor
from typing import Any, NamedTuple

from django.db.utils import DEFAULT_DB_ALIAS

from booking_site.postgres.pipeline import Statement
from bookings.seat_choice.companions import bays_beside
from bookings.seat_choice.room import Place, Run, places_from, runs_of, tripled_focal_line
from catalog.archived_rooms import archived_seats
from catalog.errors import ShowNotFound
from catalog.models import ShowStatus, layout_fingerprint

Facts = dict[str, Any]

# One statement, so that the hashes are those of the seats that are shown.
_READ = Statement("""
    SELECT shows.status, seats_hash, facts,
           seats.id, row, section, number, x, y, category
      FROM shows
      LEFT JOIN archived_rooms ON archived_rooms.show_id = shows.id
      LEFT JOIN seats ON seats.show_id = shows.id
     WHERE shows.id = %(show)s
""")


class _Seat(NamedTuple):
    id: int
    row: str
    section: str
    number: int
    x: int | None
    y: int | None
    category: str


def room_layout(*, show_id: int, using: str = DEFAULT_DB_ALIAS) -> Facts:
    """Return the layout, as `LayoutSerializer` describes it.

    Neighbours, aisles, companion seats and the focal point are those of `bookings.seat_choice`. If
    any seat has no position, all of them are placed by row and number. Raise ShowNotFound.
    """
    rows = _READ.rows(using=using, show=show_id)
    if not rows or rows[0][0] == ShowStatus.PLANNED:
        raise ShowNotFound
    archived_hash = rows[0][1]
    stored = [row for row in rows if row[3] is not None]
    seats = [_Seat(*row[3:]) for row in stored]
    if archived_hash is not None:
        seats += [
            _Seat(s.pk, s.row, s.section, s.number, s.x, s.y, s.category)
            for s in archived_seats(show_id, using)
        ]
    seats_hash = reduce(xor, (row[2] for row in stored), archived_hash or 0)
    places = places_from((s.id, s.row, s.number, s.x, s.y, s.category, True) for s in seats)
    return {
        "show_id": show_id,
        "fingerprint": layout_fingerprint(seats_hash),
        **describe(places, {seat.row: seat.section for seat in seats}),
    }


def describe(places: Iterable[Place], sections: Mapping[str, str]) -> Facts:
    """Describe a room; `sections` has the section of each row."""
    runs = runs_of(places)
    rows = _rows([seat for run in runs for seat in run], sections)
    left = min((row["x"] for row in rows), default=0)
    right = max((row["x"] + row["width"] for row in rows), default=0)
    lines = [run[0].y for run in runs] or [0]
    screen = {"x": left, "y": lines[0] - 1, "width": right - left, "height": 1}
    return {
        "width": right,
        "height": lines[-1] + 1,
        "screen": screen,
        "focal_point": {
            "x": (left + right - 1) / 2,
            "y": round(tripled_focal_line(lines) / 3, 2),
        },
        "sections": _sections(rows),
        "rows": rows,
        "aisles": [*_aisles_between_seats(runs), *_lines_without_seats(lines, screen)],
        "seats": [seat for run in runs for seat in _seats(run)],
    }


def _rows(places: Run, sections: Mapping[str, str]) -> list[Facts]:
    of_row: dict[str, Run] = defaultdict(list)
    for place in places:
        of_row[place.row].append(place)
    return [
        {
            "row": row,
            "label": row.removeprefix(f"{sections[row]} "),
            "section": sections[row],
            "x": min(seat.x for seat in seats),
            "y": seats[0].y,
            "width": max(seat.x for seat in seats) - min(seat.x for seat in seats) + 1,
        }
        for row, seats in of_row.items()
    ]


def _sections(rows: list[Facts]) -> list[Facts]:
    lines: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if row["section"]:
            lines[row["section"]].append(row["y"])
    return [
        {"name": name, "y": min(ys), "height": max(ys) - min(ys) + 1} for name, ys in lines.items()
    ]


def _aisles_between_seats(runs: list[Run]) -> list[Facts]:
    """Return a rectangle for each aisle, as long as it has the same cells in adjacent lines."""
    aisles: list[Facts] = []
    last: dict[tuple[int, int, int], Facts] = {}  # by line, first cell and width
    for left, right in pairwise(runs):
        y, x = right[0].y, left[-1].x + 1
        width = right[0].x - x
        if left[0].y != y or width < 1:
            continue
        if (y - 1, x, width) in last:
            aisle = last.pop((y - 1, x, width))
            aisle["height"] += 1
        else:
            aisle = {"x": x, "y": y, "width": width, "height": 1}
            aisles.append(aisle)
        last[y, x, width] = aisle
    return aisles


def _lines_without_seats(lines: list[int], screen: Facts) -> Iterator[Facts]:
    for front, back in pairwise(lines):
        if back - front > 1:
            yield {**screen, "y": front + 1, "height": back - front - 1}


def _seats(run: Run) -> Iterator[Facts]:
    companions: dict[int, list[int]] = defaultdict(list)
    for seat, bays in bays_beside(run):
        for bay in bays:
            companions[bay].append(seat.id)
    for index, (seat, bays) in enumerate(bays_beside(run)):
        yield {
            "id": seat.id,
            "row": seat.row,
            "number": seat.number,
            "category": seat.category,
            "x": seat.x,
            "y": seat.y,
            "aisle_left": index + 1,
            "aisle_right": len(run) - index,
            "left_seat_id": run[index - 1].id if index else None,
            "right_seat_id": run[index + 1].id if index + 1 < len(run) else None,
            "bay_ids": [place.id for place in run if place.id in bays],
            "companion_ids": companions[seat.id],
        }
