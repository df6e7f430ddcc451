"""Programming the week: looking at it, planning many shows at once, copying it.

A plan is judged first (`preview`) and then carried out (`apply`), which judges
it again: what exists by then is skipped, so that applying twice creates nothing
twice.
"""

from catalog.programme.choices import bulk_wishes, copied_wishes, spaced_clocks
from catalog.programme.days import business_day, monday_of, on_business_day, span_of
from catalog.programme.durations import DurationsChanged, NewEnd, apply_durations, plan_durations
from catalog.programme.durations import fingerprint as duration_fingerprint
from catalog.programme.plans import Draft, Line, Verdict, Wish, apply, preview
from catalog.programme.weeks import Block, Day, Lane, Week, open_planned, week

__all__ = [
    "Block",
    "Day",
    "Draft",
    "DurationsChanged",
    "Lane",
    "Line",
    "NewEnd",
    "Verdict",
    "Week",
    "Wish",
    "apply",
    "apply_durations",
    "bulk_wishes",
    "business_day",
    "copied_wishes",
    "duration_fingerprint",
    "monday_of",
    "on_business_day",
    "open_planned",
    "plan_durations",
    "preview",
    "spaced_clocks",
    "span_of",
    "week",
]
