"""The business day of a theatre: from 06:00 on its clock until 05:59 the next morning."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY_BREAK = time(6)
A_DAY = timedelta(days=1)


def business_day(moment: datetime, zone: ZoneInfo) -> date:
    """Return the business day to which a moment belongs."""
    local = moment.astimezone(zone)
    return local.date() - A_DAY if local.time() < DAY_BREAK else local.date()


def on_business_day(day: date, clock: time) -> datetime:
    """Return the naive local time: 00:30 of a business day is on the next calendar day."""
    return datetime.combine(day + A_DAY if clock < DAY_BREAK else day, clock)


def span_of(first: date, zone: ZoneInfo, *, days: int = 1) -> tuple[datetime, datetime]:
    """Return when these business days begin and end, in UTC; a day has 23 to 25 hours."""
    begin, end = (
        datetime.combine(day, DAY_BREAK, zone).astimezone(UTC)
        for day in (first, first + days * A_DAY)
    )
    return begin, end


def monday_of(day: date) -> date:
    return day - day.weekday() * A_DAY
