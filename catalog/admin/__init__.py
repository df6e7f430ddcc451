"""The back office of the programme and the house: one module for each kind of page."""

from catalog.admin import (
    audit_trail,
    movies,
    people,
    price_cards,
    screens,
    seats,
    theatres,
)
from catalog.admin.shows import model_admin as shows

__all__ = [
    "audit_trail",
    "movies",
    "people",
    "price_cards",
    "screens",
    "seats",
    "shows",
    "theatres",
]
