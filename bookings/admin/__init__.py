"""The back office's pages of sales, one module each."""

from bookings.admin import sales

__all__ = ["sales"]
