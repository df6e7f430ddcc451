"""When and how seats are sold online: the rules that the API publishes and sales enforce.

The box office follows its own rules (docs/decisions/0012-box-office.md).
"""

from collections.abc import Set
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Protocol

from django.conf import settings

from catalog.models import GapRule, SeatCategory, ShowStatus

# Before the start of the show.
GAP_RULE_ENDS = timedelta(minutes=30)
COMPANION_RULE_ENDS = timedelta(minutes=60)


class Selling(Protocol):
    """A published show, and `now`, the database's time when it was read."""

    @property
    def status(self) -> str: ...
    @property
    def start_time(self) -> datetime: ...
    @property
    def sales_open_at(self) -> datetime | None: ...
    @property
    def sales_close_at(self) -> datetime | None: ...
    @property
    def now(self) -> datetime: ...


class SaleState(Enum):
    """Whether seats are on sale online, or why not."""

    ON_SALE = auto()
    NOT_OPEN = auto()
    CLOSED = auto()
    STARTED = auto()
    CANCELLED = auto()


def sale_state(show: Selling) -> SaleState:
    if show.status == ShowStatus.CANCELLED:
        return SaleState.CANCELLED
    if show.start_time <= show.now:
        return SaleState.STARTED
    if show.sales_close_at is not None and show.sales_close_at <= show.now:
        return SaleState.CLOSED
    if show.sales_open_at is not None and show.sales_open_at > show.now:
        return SaleState.NOT_OPEN
    return SaleState.ON_SALE


def is_bookable(show: Selling, free_categories: Set[str]) -> bool:
    """Return whether a purchase could begin now, given the categories with free seats.

    While the companion rule applies, companion seats alone are not enough: only the owner of a
    bay beside them could book them.
    """
    if show.start_time - show.now > COMPANION_RULE_ENDS:
        free_categories = free_categories - {SeatCategory.COMPANION}
    return bool(free_categories) and sale_state(show) is SaleState.ON_SALE


def gap_rule_of(show: Selling, *, gap_rule: str, has_layout: bool) -> str:
    """Return the gap rule that applies to the show now, given its theatre's."""
    applies = has_layout and show.start_time - show.now > GAP_RULE_ENDS
    return gap_rule if applies else GapRule.OFF.value


def cancellable_until(start_time: datetime) -> datetime:
    """Return the last moment at which customers can cancel bookings of a show with this start."""
    return start_time - timedelta(minutes=settings.CANCELLATION_CUTOFF_MINUTES)
