"""Taking a running house over from the original system's database.

Rows come in id order, in batches, each committed with the record of what it
became, so that a run can be interrupted, and repeated while the old house still
sells: what is taken is never taken twice.
"""

from bookings.moving_in.report import Report
from bookings.moving_in.source import Source, Unreadable
from bookings.moving_in.takeover import AlreadyMoving, House, take_over

__all__ = ["AlreadyMoving", "House", "Report", "Source", "Unreadable", "take_over"]
