"""The back office of the programme and the house: one module for each kind of page."""

from catalog.admin import movies, price_cards, screens, seats, shows, theatres

__all__ = ["movies", "price_cards", "screens", "seats", "shows", "theatres"]
