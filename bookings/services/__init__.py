"""Holds, sells and cancels seats: each function is one write, in its own transaction.

All of them lock in this order: the user's row, the hold, seats by id, orders, bookings.
"""

from bookings.services.cancelling import cancel_booking, cancel_order
from bookings.services.guests import move_purchases
from bookings.services.holds import extend_hold, hold_best_seats, hold_seats, release_hold
from bookings.services.housekeeping import forget_person, release_expired_holds
from bookings.services.sales import book
