"""The back office's pages of sales, one module each."""

from bookings.admin import cancelling_shows, moving, sales

__all__ = ["cancelling_shows", "moving", "sales"]
