"""Movies, theatres, screens, prices, shows and their seats."""

from catalog.models.movies import Movie
from catalog.models.prices import PriceCard, PriceCardLine, SeatCategory
from catalog.models.refusals import RefusedOverlap
from catalog.models.screens import Screen
from catalog.models.seats import (
    FREE_SEAT,
    STATE_NOW,
    ClockTimestamp,
    Seat,
    SeatQuerySet,
    SeatStatus,
)
from catalog.models.shows import Show, ShowQuerySet, ShowStatus
from catalog.models.theatres import GapRule, Theatre, validate_timezone
from catalog.models.versions import ListVersion

__all__ = [
    "FREE_SEAT",
    "STATE_NOW",
    "ClockTimestamp",
    "GapRule",
    "ListVersion",
    "Movie",
    "PriceCard",
    "PriceCardLine",
    "RefusedOverlap",
    "Screen",
    "Seat",
    "SeatCategory",
    "SeatQuerySet",
    "SeatStatus",
    "Show",
    "ShowQuerySet",
    "ShowStatus",
    "Theatre",
    "validate_timezone",
]
