"""The pages of holds, orders and bookings in the back office."""

from bookings.admin import sales
