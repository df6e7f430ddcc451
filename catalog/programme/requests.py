"""Show requests for a plan: the same times on many days, or the copy of a week."""

from collections.abc import Collection, Iterable
from datetime import date, time, timedelta

from catalog.models import Movie, PriceCard, Screen, Show, ShowStatus, Theatre
from catalog.programme.days import DAY_BREAK, business_day, on_business_day, span_of
from catalog.programme.plans import ShowRequest


def bulk_requests(
    *,
    movie: Movie,
    screens: Iterable[Screen],
    days: Iterable[date],
    clocks: Iterable[time],
    price_card: PriceCard | None,
    format: str,
    language: str,
) -> list[ShowRequest]:
    """Return a request for every screen, business day and time, without duplicates, in order."""
    clocks = sorted(set(clocks), key=lambda clock: (clock < DAY_BREAK, clock))
    screens = list(screens)
    return [
        ShowRequest(
            movie=movie,
            screen=screen,
            day=day,
            clock=clock,
            price_card=price_card,
            format=format,
            language=language,
        )
        for day in sorted(set(days))
        for screen in screens
        for clock in clocks
    ]


def spaced_clocks(*, first: time, last: time, spacing: timedelta) -> list[time]:
    """Return the times of one business day from `first` to `last` at this spacing.

    `last` may be after midnight. Empty when `last` is earlier in the business day than `first`.
    """
    some_day = date(2000, 1, 3)
    clocks = []
    moment, end = on_business_day(some_day, first), on_business_day(some_day, last)
    while moment <= end:
        clocks.append(moment.time())
        moment += spacing
    return clocks


def copied_requests(
    *,
    theatre: Theatre,
    monday: date,
    to_monday: date,
    weekdays: Collection[int],
    screens: Collection[Screen],
) -> list[ShowRequest]:
    """Return a request for every show on these weekdays (0 is Monday) and screens of a week.

    Copies start at the same local time, also across a daylight saving change.
    Cancelled shows are not copied.
    """
    begin, end = span_of(monday, theatre.zone, days=7)
    shows = (
        Show.objects.filter(
            theatre=theatre, screen__in=screens, start_time__gte=begin, start_time__lt=end
        )
        .exclude(status=ShowStatus.CANCELLED)
        .select_related("movie", "screen__theatre", "price_card")
        .order_by("start_time", "screen__sort_key", "screen__name", "pk")
    )
    requests = []
    for show in shows:
        day = business_day(show.start_time, theatre.zone)
        if not show.screen or day.weekday() not in weekdays:
            continue
        requests.append(_copy_of(show, screen=show.screen, day=day + (to_monday - monday)))
    return requests


def _copy_of(show: Show, *, screen: Screen, day: date) -> ShowRequest:
    opens, close = show.sales_open_at, show.sales_close_at
    return ShowRequest(
        movie=show.movie,
        screen=screen,
        day=day,
        clock=show.start_time.astimezone(screen.theatre.zone).time(),
        price_card=show.price_card,
        format=show.format,
        language=show.language,
        sales_start_before=show.start_time - opens if opens else None,
        sales_end_before=show.start_time - close if close else None,
    )
