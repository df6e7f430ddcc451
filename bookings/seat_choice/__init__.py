"""Finds the best seats, and refuses selections that break a rule.

Pure functions over a snapshot of the room: no queries, no clock. The caller decides whether a
rule applies at the moment, and locks the seats if necessary.
"""

from bookings.seat_choice.best import NoSeatsTogether, best_available
from bookings.seat_choice.companions import CompanionRequired, refuse_lone_companions
from bookings.seat_choice.gaps import SingleSeatGap, alternatives, new_gaps, refuse_gap
from bookings.seat_choice.remapping import NoEqualSeats, Party, remap
from bookings.seat_choice.room import Place, places_from
