"""The original's movies, theatres, shows and seats."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils import timezone

from booking_site.money import digits_of
from booking_site.typed_text import is_blank_text
from catalog.models import SOLD_BEFORE, Seat, SeatStatus
from catalog.seat_changes import publish_seat_changes
from legacy_import.id_map import IdMap
from legacy_import.source import Row
from legacy_import.users import BatchResult, text_of

LONGEST_ROW = 4
BIGGEST_NUMBER = 2**31 - 1
BIGGEST_PRICE = Decimal("999999.999")


def creation(row: Row) -> dict[str, Any]:
    """Return when the row was created; now, if the original does not have the time.

    `updated_at` becomes the time of the import, so that clients that synchronize read the row.
    """
    return {"created_at": row["created_at"] or timezone.now()}


def convert_movies(batch: Sequence[Row]) -> BatchResult:
    result = BatchResult()
    for row in batch:
        if is_blank_text(row["title"] or ""):
            result.rejected.append((row["id"], "it has no title"))
            continue
        texts = {
            "title": text_of(row, "title", result),
            "description": text_of(row, "description", result, multiline=True),
        }
        result.rows.append((row["id"], texts | creation(row)))
    return result


def convert_theatres(batch: Sequence[Row], *, timezone: str, currency: str) -> BatchResult:
    result = BatchResult()
    for row in batch:
        if is_blank_text(row["name"] or ""):
            result.rejected.append((row["id"], "it has no name"))
            continue
        texts = {name: text_of(row, name, result) for name in ("name", "location")}
        place = {"timezone": timezone, "currency": currency}
        result.rows.append((row["id"], texts | place | creation(row)))
    return result


def convert_shows(batch: Sequence[Row], id_map: IdMap) -> BatchResult:
    result = BatchResult()
    movies = id_map.existing("movies", [row["movie_id"] for row in batch])
    theatres = id_map.existing("theatres", [row["theatre_id"] for row in batch])
    for row in batch:
        number = row["id"]
        if row["movie_id"] not in movies:
            result.rejected.append((number, "its movie does not exist or was not imported"))
        elif row["theatre_id"] not in theatres:
            result.rejected.append((number, "its theatre does not exist or was not imported"))
        elif row["start_time"] is None:
            result.rejected.append((number, "its start time is missing or out of range"))
        else:
            values = {
                "movie_id": movies[row["movie_id"]],
                "theatre_id": theatres[row["theatre_id"]],
                "start_time": row["start_time"],
            }
            result.rows.append((number, values | creation(row)))
    return result


def convert_seats(batch: Sequence[Row], id_map: IdMap, *, currency: str) -> BatchResult:
    """Convert seats; a sold one stays blocked until its booking is imported too.

    Of several seats with one row and number, the first is imported.
    """
    step = Decimal(1).scaleb(-max(2, digits_of(currency)))
    result = BatchResult()
    shows = id_map.existing("shows", [row["show_id"] for row in batch])
    places = set(
        Seat.objects.filter(show__in=shows.values()).values_list("show_id", "row", "number")
    )
    for row in batch:
        number, price = row["id"], _price(row["price"], step)
        problem = _problem(row)
        if row["show_id"] not in shows:
            result.rejected.append((number, "its show does not exist or was not imported"))
        elif problem or price is None:
            result.rejected.append((number, problem or "its price is missing or out of range"))
        elif (place := (shows[row["show_id"]], str(row["row"]), int(row["number"]))) in places:
            result.rejected.append((number, "another seat of its show has its row and number"))
        else:
            places.add(place)
            available = row["status"] == SeatStatus.AVAILABLE
            values = {
                "show_id": place[0],
                "row": place[1],
                "number": place[2],
                "price": price,
                "status": SeatStatus.AVAILABLE if available else SeatStatus.BLOCKED,
                "block_reason": "" if available else SOLD_BEFORE,
            }
            result.rows.append((number, values))
    publish_seat_changes(values["show_id"] for _, values in result.rows)
    return result


def _problem(row: Row) -> str | None:
    name = str(row["row"] or "")
    if is_blank_text(name) or len(name) > LONGEST_ROW:
        return f"the name of its row is not 1 to {LONGEST_ROW} characters long"
    number = str(row["number"])
    if not (number.isascii() and number.isdecimal() and 1 <= int(number) <= BIGGEST_NUMBER):
        return "its number is missing or out of range"
    return None


def _price(value: Any, step: Decimal) -> Decimal | None:
    try:
        price = Decimal(str(value)).quantize(step)
        return price if 0 <= price <= BIGGEST_PRICE else None
    except InvalidOperation:  # not a number, or NaN
        return None
