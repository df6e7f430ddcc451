"""Movies, theatres, screens, prices, shows and their seats."""

from catalog.models.archived_rooms import ArchivedRoom
from catalog.models.movies import Movie
from catalog.models.prices import PriceCard, PriceCardLine, SeatCategory, card_digits
from catalog.models.refusals import RefusedOverlap
from catalog.models.screens import Screen
from catalog.models.seats import (
    SOLD_BEFORE,
    STATE_NOW,
    Seat,
    SeatQuerySet,
    SeatStatus,
    layout_fingerprint,
)
from catalog.models.shows import Show, ShowQuerySet, ShowStatus
from catalog.models.theatres import GapRule, Theatre, digits_in_use, validate_timezone
from catalog.models.versions import ListVersion
