"""The original's movies, theatres, shows and seats."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from catalog.models import SeatStatus
from legacy_import.id_map import IdMap
from legacy_import.source import Row
from legacy_import.users import Outcome, stamps

LONGEST = {"title": 200, "name": 200, "location": 300}
LONGEST_ROW = 4
BIGGEST_NUMBER = 2**31 - 1
BIGGEST_PRICE = Decimal("999999.99")
# Why a seat is blocked whose booking has not been taken, at least not yet.
SOLD_BEFORE = "Sold by the original system"


def take_movies(batch: Sequence[Row]) -> Outcome:
    outcome = Outcome()
    for row in batch:
        texts = {"title": _cut(row, "title", outcome), "description": row["description"] or ""}
        outcome.rows.append((row["id"], texts | stamps(row)))
    return outcome


def take_theatres(batch: Sequence[Row], *, timezone: str, currency: str) -> Outcome:
    outcome = Outcome()
    for row in batch:
        texts = {name: _cut(row, name, outcome) for name in ("name", "location")}
        place = {"timezone": timezone, "currency": currency}
        outcome.rows.append((row["id"], texts | place | stamps(row)))
    return outcome


def take_shows(batch: Sequence[Row], id_map: IdMap) -> Outcome:
    outcome = Outcome()
    movies = id_map.known("movies", [row["movie_id"] for row in batch])
    theatres = id_map.known("theatres", [row["theatre_id"] for row in batch])
    for row in batch:
        number = row["id"]
        if row["movie_id"] not in movies:
            outcome.refused.append((number, "its movie is missing"))
        elif row["theatre_id"] not in theatres:
            outcome.refused.append((number, "its theatre is missing"))
        elif row["start_time"] is None:
            outcome.refused.append((number, "it has no start that can be read"))
        else:
            values = {
                "movie_id": movies[row["movie_id"]],
                "theatre_id": theatres[row["theatre_id"]],
                "start_time": row["start_time"],
            }
            outcome.rows.append((number, values | stamps(row)))
    return outcome


def take_seats(batch: Sequence[Row], id_map: IdMap) -> Outcome:
    """Take the seats; one that is sold stays blocked until its booking is taken as well."""
    outcome = Outcome()
    shows = id_map.known("shows", [row["show_id"] for row in batch])
    for row in batch:
        number, price = row["id"], _price(row["price"])
        flaw = _flaw(row)
        if row["show_id"] not in shows:
            outcome.refused.append((number, "its show is missing or was not taken"))
        elif flaw or price is None:
            outcome.refused.append((number, flaw or "its price is none"))
        else:
            available = row["status"] == SeatStatus.AVAILABLE
            values = {
                "show_id": shows[row["show_id"]],
                "row": str(row["row"]),
                "number": int(row["number"]),
                "price": price,
                "status": SeatStatus.AVAILABLE if available else SeatStatus.BLOCKED,
                "block_reason": "" if available else SOLD_BEFORE,
            }
            outcome.rows.append((number, values))
    return outcome


def _flaw(row: Row) -> str | None:
    if not 1 <= len(str(row["row"] or "")) <= LONGEST_ROW:
        return f"its row's name is not 1 to {LONGEST_ROW} characters long"
    number = str(row["number"])
    if not (number.isascii() and number.isdecimal() and 1 <= int(number) <= BIGGEST_NUMBER):
        return "its number is none"
    return None


def _price(value: Any) -> Decimal | None:
    try:
        price = Decimal(str(value)).quantize(Decimal("0.01"))
        return price if 0 <= price <= BIGGEST_PRICE else None
    except InvalidOperation:  # no number, or NaN
        return None


def _cut(row: Row, name: str, outcome: Outcome) -> str:
    text: str = row[name] or ""
    if len(text) > LONGEST[name]:
        outcome.changed.append((row["id"], f"the {name} was cut to {LONGEST[name]} characters"))
    return text[: LONGEST[name]]
