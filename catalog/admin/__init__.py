"""The back office of the catalogue: one module for each kind of page."""

from catalog.admin import (
    audit_trail,
    movies,
    price_cards,
    screens,
    seats,
    theatres,
    users,
)
from catalog.admin.shows import model_admin as shows
