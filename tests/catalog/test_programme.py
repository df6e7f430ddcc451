"""Planning a week: previewing and applying plans, copying weeks, daylight saving time."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from accounts.audit import history_of
from accounts.models import User
from catalog.models import Movie, PriceCard, Screen, Seat, Show, ShowStatus
from catalog.programme import plans
from catalog.programme.days import business_day, on_business_day, span_of
from catalog.programme.plans import PlanResult, SchedulePlan, ShowRequest, Verdict, preview
from catalog.programme.requests import bulk_requests, copied_requests, spaced_clocks
from catalog.programme.weeks import open_planned, week
from catalog.scheduling import ends_of
from tests.factories import (
    MovieFactory,
    PriceCardFactory,
    ScreenFactory,
    ShowFactory,
    TheatreFactory,
    make_seats,
)

MONDAY = date(2031, 5, 5)
EVENING = (time(17), time(20, 15))
NIGHT = time(0, 30)


@pytest.fixture
def movie(db: None) -> Movie:
    return MovieFactory(title="Vertigo", duration_minutes=100)


@pytest.fixture
def card(db: None) -> PriceCard:
    return PriceCardFactory()


@pytest.fixture
def screens(db: None) -> list[Screen]:
    theatre = TheatreFactory(timezone="Europe/Vienna")
    return [ScreenFactory(theatre=theatre, name=name, layout="A SSP\n") for name in "123"]


def requests(movie: Movie, screens: Sequence[Screen], **other: Any) -> list[ShowRequest]:
    facts: dict[str, Any] = {
        "days": [MONDAY],
        "clocks": EVENING,
        "price_card": None,
        "format": "2D",
        "language": "en",
    }
    return bulk_requests(movie=movie, screens=screens, **facts | other)


def plan_of(wanted: Sequence[ShowRequest], **other: Any) -> SchedulePlan:
    return SchedulePlan(theatre=wanted[0].screen.theatre, requests=wanted, **other)


def verdicts(lines: Sequence[PlanResult]) -> list[str]:
    return [line.verdict.value for line in lines]


def apply(wanted: Sequence[ShowRequest], **other: Any) -> list[PlanResult]:
    return plans.apply(plan=plan_of(wanted, **other), actor=None)


on_real_connections = pytest.mark.django_db(transaction=True)
pytestmark = pytest.mark.django_db


# The business day


@pytest.mark.parametrize(
    ("local", "day"),
    [("2031-05-05T06:00", 5), ("2031-05-06T05:59", 5), ("2031-05-06T06:00", 6)],
)
def test_a_business_day_starts_at_six(local: str, day: int) -> None:
    vienna = ZoneInfo("Europe/Vienna")
    moment = datetime.fromisoformat(local).replace(tzinfo=vienna)
    assert business_day(moment.astimezone(UTC), vienna) == date(2031, 5, day)
    assert on_business_day(date(2031, 5, day), moment.time()) == moment.replace(tzinfo=None)


CHANGES = [
    ("Europe/Vienna", date(2031, 3, 29), 23),
    ("Europe/Vienna", date(2031, 10, 25), 25),
    ("America/New_York", date(2031, 3, 8), 23),
    ("America/New_York", date(2031, 11, 1), 25),
    ("Australia/Sydney", date(2031, 10, 4), 23),
    ("Australia/Sydney", date(2031, 4, 5), 25),
    ("Australia/Lord_Howe", date(2031, 10, 4), 23.5),
    ("Australia/Lord_Howe", date(2031, 4, 5), 24.5),
]


@pytest.mark.parametrize(("zone", "day", "hours"), CHANGES)
def test_a_day_with_a_clock_change_is_shorter_or_longer(zone: str, day: date, hours: float) -> None:
    begin, end = span_of(day, ZoneInfo(zone))
    assert end - begin == timedelta(hours=hours)


# Previews


def test_a_preview_saves_nothing_and_lists_the_result(
    movie: Movie, screens: list[Screen], card: PriceCard
) -> None:
    lines = preview(plan=plan_of(requests(movie, screens[:2], price_card=card)))
    assert [(line.request.screen.name, str(line.wall_clock)) for line in lines] == [
        ("1", "2031-05-05 17:00:00"),
        ("1", "2031-05-05 20:15:00"),
        ("2", "2031-05-05 17:00:00"),
        ("2", "2031-05-05 20:15:00"),
    ]
    assert verdicts(lines) == ["created"] * 4
    assert [line.seat_count for line in lines] == [3] * 4
    assert not Show.objects.exists()


def test_a_time_after_midnight_belongs_to_the_previous_business_day(
    movie: Movie, screens: list[Screen]
) -> None:
    (line,) = preview(plan=plan_of(requests(movie, screens[:1], clocks=[NIGHT])))
    assert line.show is not None
    assert line.show.start_time == datetime(2031, 5, 5, 22, 30, tzinfo=UTC)
    assert line.show.planned_utc_offset == timedelta(hours=2)


def test_a_conflict_names_the_other_show_and_includes_its_turnaround(
    movie: Movie, screens: list[Screen]
) -> None:
    theatre = screens[0].theatre
    start = datetime(2031, 5, 5, 13, 1, tzinfo=UTC)
    ShowFactory(
        movie__title="Psycho",
        theatre=theatre,
        screen=screens[0],
        start_time=start,
        end_time=start + timedelta(minutes=100),
        occupied_until=start + timedelta(minutes=120),
    )
    lines = preview(plan=plan_of(requests(movie, screens[:1])))
    assert verdicts(lines) == ["collides", "created"]
    assert "“Psycho” on Mon 05 May 2031, 15:01 to 17:01" in lines[0].reason


def test_times_of_one_plan_can_conflict_with_each_other(
    movie: Movie, screens: list[Screen]
) -> None:
    clocks = spaced_clocks(first=time(18), last=time(20), spacing=timedelta(minutes=60))
    lines = preview(plan=plan_of(requests(movie, screens[:1], clocks=clocks)))
    assert verdicts(lines) == ["created", "collides", "created"]


def test_cancelled_shows_do_not_conflict(movie: Movie, screens: list[Screen]) -> None:
    (line, *_) = preview(plan=plan_of(requests(movie, screens[:1])))
    assert line.show is not None
    line.show.status = ShowStatus.CANCELLED
    line.show.save()
    lines = preview(plan=plan_of(requests(movie, screens[:1])))
    assert verdicts(lines) == ["created", "created"]


def test_a_movie_without_a_duration_cannot_be_planned(screens: list[Screen]) -> None:
    lines = preview(plan=plan_of(requests(MovieFactory(duration_minutes=None), screens[:1])))
    assert verdicts(lines) == ["no_duration"] * 2


def test_past_times_cannot_be_planned(movie: Movie, screens: list[Screen]) -> None:
    lines = preview(plan=plan_of(requests(movie, screens[:1], days=[date(2021, 5, 5)])))
    assert verdicts(lines) == ["over"] * 2


@pytest.mark.parametrize(
    ("run", "allowed"),
    [
        ({"release_date": MONDAY}, True),
        ({"release_date": MONDAY + timedelta(days=1)}, False),
        ({"run_ends_on": MONDAY}, True),
        ({"run_ends_on": MONDAY - timedelta(days=1)}, False),
    ],
)
def test_a_run_is_counted_in_business_days(
    run: dict[str, date], allowed: bool, screens: list[Screen]
) -> None:
    wanted = requests(MovieFactory(title="Vertigo", **run), screens[:1], clocks=[NIGHT])
    (line,) = preview(plan=plan_of(wanted))
    assert line.verdict == (Verdict.CREATED if allowed else Verdict.OUTSIDE_RUN)
    (line,) = preview(plan=plan_of(wanted, outside_run=True))
    assert line.verdict == Verdict.CREATED


@pytest.mark.parametrize(
    ("room", "priced", "warning"),
    [
        ("", True, "no layout"),
        ("A SSP\n", False, "No price card"),
        ("A SSP\n", "standard", "no price for premium"),
    ],
)
def test_the_preview_warns_about_missing_layouts_and_prices(
    room: str, priced: bool | str, warning: str, movie: Movie, screens: list[Screen]
) -> None:
    Screen.objects.filter(pk=screens[0].pk).update(layout=room)
    card = PriceCardFactory() if priced else None
    if card and priced == "standard":
        card.lines.exclude(category="standard").delete()
    wanted = requests(movie, [Screen.objects.get(pk=screens[0].pk)], price_card=card)
    (line, _) = preview(plan=plan_of(wanted))
    assert any(warning in text for text in line.warnings)
    assert line.seat_count == 0
    assert line.verdict == Verdict.CREATED


def test_no_seat_map_is_planned_at_prices_that_the_currency_cannot_express(
    movie: Movie, screens: list[Screen], card: PriceCard
) -> None:
    card.lines.update(price="10.50")
    screens[0].theatre.currency = "JPY"
    (line, _) = preview(plan=plan_of(requests(movie, screens[:1], price_card=card)))
    assert (line.verdict, line.seat_count) == (Verdict.CREATED, 0)
    assert any("more digits than JPY" in text for text in line.warnings)


def test_the_preview_warns_about_shows_after_midnight(movie: Movie, screens: list[Screen]) -> None:
    wanted = requests(movie, screens[:1], clocks=[time(22, 30)])
    (line,) = preview(plan=plan_of(wanted))
    assert "Runs past midnight, until 00:10." in line.warnings


def test_query_count_of_a_preview_does_not_grow_with_the_shows(
    movie: Movie, screens: list[Screen], card: PriceCard
) -> None:
    week = [MONDAY + timedelta(days=n) for n in range(7)]
    counts = []
    for days in (week[:1], week):
        wanted = requests(movie, screens, days=days, price_card=card)
        with CaptureQueriesContext(connection) as queries:
            preview(plan=plan_of(wanted))
        counts.append(len(queries))
    assert counts == [2, 2]


# Clock changes


@pytest.mark.parametrize(
    ("zone", "day", "clock", "verdict"),
    [
        ("Europe/Vienna", date(2031, 3, 29), time(2, 30), "time_missing"),
        ("Europe/Vienna", date(2031, 10, 25), time(2, 30), "time_ambiguous"),
        ("America/New_York", date(2031, 3, 8), time(2, 30), "time_missing"),
        ("America/New_York", date(2031, 11, 1), time(1, 30), "time_ambiguous"),
        ("Australia/Sydney", date(2031, 10, 4), time(2, 30), "time_missing"),
        ("Australia/Sydney", date(2031, 4, 5), time(2, 30), "time_ambiguous"),
        # A change of half an hour.
        ("Australia/Lord_Howe", date(2031, 10, 4), time(2, 15), "time_missing"),
        ("Australia/Lord_Howe", date(2031, 10, 4), time(2, 30), "created"),
        ("Australia/Lord_Howe", date(2031, 4, 5), time(1, 45), "time_ambiguous"),
        ("Australia/Lord_Howe", date(2031, 4, 5), time(1, 15), "created"),
    ],
)
def test_plans_across_a_clock_change(
    zone: str, day: date, clock: time, verdict: str, movie: Movie
) -> None:
    screen = ScreenFactory(theatre__timezone=zone)
    wanted = requests(movie, [screen], days=[day], clocks=[clock])
    lines = preview(plan=plan_of(wanted))
    assert verdicts(lines) == [verdict]


def test_an_ambiguous_time_is_planned_once_the_occurrence_is_chosen(movie: Movie) -> None:
    screen = ScreenFactory(theatre__timezone="Australia/Sydney")
    wanted = requests(movie, [screen], days=[date(2031, 4, 5)], clocks=[time(2, 30)])
    starts = []
    for fold in (0, 1):
        (line,) = preview(plan=plan_of(wanted, fold=fold))
        assert line.show is not None
        starts.append(line.show.start_time)
    assert starts[1] - starts[0] == timedelta(hours=1)


# Applying a plan


def test_shows_and_their_seat_maps_are_created_together(
    movie: Movie, screens: list[Screen], card: PriceCard, staff: User
) -> None:
    wanted = requests(movie, screens, price_card=card)
    lines = plans.apply(plan=plan_of(wanted, status=ShowStatus.OPEN), actor=staff)
    assert verdicts(lines) == ["created"] * 6
    show = Show.objects.order_by("start_time", "screen__name").first()
    assert show is not None
    assert (show.status, show.price_card, show.format) == ("open", card, "2D")
    assert show.occupied_until == show.start_time + timedelta(minutes=120)
    assert [str(seat.price) for seat in show.seats.order_by("number")] == ["12.00"] * 2 + ["15.00"]
    (entry,) = history_of(screens[0].theatre)
    assert (entry.actor, entry.action) == (staff, "shows_planned")
    assert len(entry.facts["show_ids"]) == 6


def test_applying_a_plan_twice_creates_no_duplicates(
    movie: Movie, screens: list[Screen], card: PriceCard
) -> None:
    wanted = requests(movie, screens, price_card=card)
    apply(wanted)
    before = set(Show.objects.values_list("pk", flat=True)), Seat.objects.count()
    lines = apply(wanted)
    assert verdicts(lines) == ["exists"] * 6
    assert (set(Show.objects.values_list("pk", flat=True)), Seat.objects.count()) == before
    assert len(history_of(screens[0].theatre)) == 1


Race = Callable[[Sequence[Callable[[], Any]]], list[Any]]


@on_real_connections
def test_two_users_applying_the_same_plan_create_it_once(
    race: Race, movie: Movie, screens: list[Screen], card: PriceCard
) -> None:
    wanted = requests(movie, screens, price_card=card)
    results = race([lambda: apply(wanted)] * 4)
    created = [sum(line.verdict == Verdict.CREATED for line in lines) for lines in results]
    assert sorted(created) == [0, 0, 0, 6]
    assert Show.objects.count() == 6
    assert Seat.objects.count() == 18


@on_real_connections
def test_a_show_saved_without_the_lock_is_found_by_the_retry(
    movie: Movie, screens: list[Screen], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The constraint refuses the show, and the plan is evaluated again."""
    real = plans._shows_by_screen

    def plan_elsewhere() -> None:
        start = datetime(2031, 5, 5, 15, 30, tzinfo=UTC)
        try:
            show = Show(movie=movie, theatre=screens[0].theatre, screen=screens[0])
            show.start_time = start
            show.end_time, show.occupied_until = ends_of(
                movie=movie, screen=screens[0], start_time=start
            )
            show.save()  # as a show is that somebody moves here
        finally:
            connection.close()

    def evaluate_too_early(wanted: SchedulePlan) -> Any:
        monkeypatch.setattr(plans, "_shows_by_screen", real)
        seen = real(wanted)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(plan_elsewhere).result(timeout=15)
        return seen

    monkeypatch.setattr(plans, "_shows_by_screen", evaluate_too_early)
    assert verdicts(apply(requests(movie, screens[:1]))) == ["collides", "created"]
    assert Show.objects.count() == 2


def test_other_database_errors_are_not_hidden(
    movie: Movie, screens: list[Screen], monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(maps: Any) -> int:
        Show.objects.update(status="perhaps")
        return 0

    monkeypatch.setattr(plans, "copy_seats", spoil)
    with pytest.raises(IntegrityError):
        apply(requests(movie, screens))
    assert not Show.objects.exists()


# Copying a week


def copied(screens: list[Screen], **other: Any) -> list[ShowRequest]:
    facts: dict[str, Any] = {
        "monday": MONDAY,
        "to_monday": MONDAY + timedelta(days=7),
        "weekdays": range(7),
        "screens": screens,
    }
    return copied_requests(theatre=screens[0].theatre, **facts | other)


def test_copying_a_week_copies_all_fields_of_its_shows(
    movie: Movie, screens: list[Screen], card: PriceCard
) -> None:
    apply(requests(movie, screens, price_card=card, format="3D", clocks=[NIGHT]))
    week, early = timedelta(days=7), timedelta(minutes=45)
    for show in Show.objects.all():
        Show.objects.filter(pk=show.pk).update(
            sales_open_at=show.start_time - week, sales_close_at=show.start_time - early
        )
    assert verdicts(apply(copied(screens))) == ["created"] * 3
    show = Show.objects.filter(screen=screens[1]).order_by("start_time").last()
    assert show is not None
    assert show.start_time == datetime(2031, 5, 12, 22, 30, tzinfo=UTC)
    assert (show.format, show.language, show.price_card) == ("3D", "en", card)
    assert show.sales_open_at == show.start_time - week
    assert show.sales_close_at == show.start_time - early
    assert verdicts(apply(copied(screens))) == ["exists"] * 3


def test_a_copy_includes_only_the_chosen_days_and_screens_and_no_cancelled_shows(
    movie: Movie, screens: list[Screen]
) -> None:
    week = [MONDAY + timedelta(days=n) for n in range(7)]
    apply(requests(movie, screens, days=week, clocks=[NIGHT]))
    Show.objects.filter(screen=screens[2]).update(status=ShowStatus.CANCELLED)
    chosen = copied(screens[1:], weekdays=[4, 6])
    assert [(request.screen, request.day) for request in chosen] == [
        (screens[1], MONDAY + timedelta(days=11)),
        (screens[1], MONDAY + timedelta(days=13)),
    ]


def test_movies_past_their_run_are_listed_but_not_copied(
    movie: Movie, screens: list[Screen]
) -> None:
    apply(requests(movie, screens[:1]))
    movie.run_ends_on = MONDAY + timedelta(days=6)
    movie.save()
    lines = apply(copied(screens))
    assert verdicts(lines) == ["outside_run"] * 2
    assert "until 11 May 2031" in lines[0].reason


@pytest.mark.parametrize(
    ("zone", "monday"),
    [
        ("Europe/Vienna", date(2031, 3, 24)),
        ("Europe/Vienna", date(2031, 10, 20)),
        ("America/New_York", date(2031, 3, 3)),
        ("Australia/Sydney", date(2031, 9, 29)),
        ("Australia/Lord_Howe", date(2031, 3, 31)),
    ],
)
def test_copied_shows_start_at_the_same_local_time_across_a_clock_change(
    zone: str, monday: date, movie: Movie
) -> None:
    screen = ScreenFactory(theatre__timezone=zone)
    apply(requests(movie, [screen], days=[monday], clocks=[*EVENING, time(23, 45)]))
    apply(copied([screen], monday=monday, to_monday=monday + timedelta(days=7)))
    local = [show.start_time.astimezone(ZoneInfo(zone)) for show in Show.objects.all()]
    assert [str(moment.time()) for moment in local] == ["17:00:00", "20:15:00", "23:45:00"] * 2
    assert local[0].utcoffset() != local[-1].utcoffset()


# The week view


def test_a_week_has_every_screen_on_every_day_and_every_show_once(
    movie: Movie, screens: list[Screen], card: PriceCard
) -> None:
    apply(requests(movie, screens[:2], days=[MONDAY, MONDAY + timedelta(days=6)], price_card=card))
    apply(requests(movie, screens[:1], days=[MONDAY + timedelta(days=7)]))
    drawn = week(theatre=screens[0].theatre, monday=MONDAY)
    assert [[lane.screen for lane in day.lanes] for day in drawn.days] == [screens] * 7
    blocks = drawn.days[0].lanes[0].blocks
    # 10:00 is the left edge while nothing starts earlier.
    assert [(b.left, b.minutes, b.turnaround) for b in blocks] == [(420, 100, 20), (615, 100, 20)]
    assert [block.starts for block in blocks] == ["17:00", "20:15"]
    assert (blocks[0].seats, blocks[0].taken, blocks[0].fill) == (3, 0, "empty")
    assert len(drawn.blocks) == 8


def test_a_week_includes_early_and_late_shows(movie: Movie, screens: list[Screen]) -> None:
    apply(requests(movie, screens[:1], clocks=[time(6, 30), time(3, 30)]))
    drawn = week(theatre=screens[0].theatre, monday=MONDAY)
    assert [hour.hour for hour in drawn.days[0].hours] == [*range(6, 24), *range(6)]
    assert [block.left for block in drawn.blocks] == [30, 21 * 60 + 30]


def test_the_repeated_hour_is_drawn_twice(movie: Movie) -> None:
    screen = ScreenFactory(theatre__timezone="America/New_York")
    saturday = date(2031, 11, 1)
    apply(requests(movie, [screen], days=[saturday], clocks=[time(3)]))
    drawn = week(theatre=screen.theatre, monday=date(2031, 10, 27))
    hours = [hour.hour for hour in drawn.days[5].hours]
    assert hours[-6:] == [0, 1, 1, 2, 3, 4]
    (block,) = drawn.blocks
    assert drawn.days[5].hours[block.left // 60].hour == 3


def test_shows_without_a_screen_have_their_own_lane(screens: list[Screen]) -> None:
    start = datetime(2031, 5, 5, 18, tzinfo=UTC)
    show = ShowFactory(theatre=screens[0].theatre, start_time=start, end_time=None)
    make_seats(show, "SSSS")
    Seat.objects.filter(number=1).update(status="booked")
    drawn = week(theatre=screens[0].theatre, monday=MONDAY)
    lane = drawn.days[0].lanes[-1]
    assert lane.screen is None
    assert (lane.blocks[0].percent, lane.blocks[0].fill) == (25, "low")


def test_a_planned_week_is_opened_for_sale_at_once(
    movie: Movie, screens: list[Screen], card: PriceCard, staff: User
) -> None:
    apply(requests(movie, screens[:1], price_card=card))
    apply(requests(movie, screens[1:2]))
    theatre = screens[0].theatre
    opened = open_planned(theatre=theatre, monday=MONDAY, actor=staff)
    assert {show.screen for show in opened} == {screens[0]}
    statuses = Show.objects.order_by("screen__name").values_list("status", flat=True)
    assert list(statuses) == ["open", "open", "planned", "planned"]
    assert open_planned(theatre=theatre, monday=MONDAY, actor=staff) == []
    for show in opened:
        assert history_of(show).get(action="show_opened").actor == staff
