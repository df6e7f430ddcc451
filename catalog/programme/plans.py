"""A plan of many shows: previewed, then applied in one transaction."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.db import IntegrityError, models, transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from booking_site.api.errors import violated_constraint
from booking_site.local_time import clock
from booking_site.money import is_expressible
from catalog.layouts import Layout
from catalog.models import Movie, PriceCard, PriceCardLine, Screen, Show, ShowStatus, Theatre
from catalog.programme.days import on_business_day
from catalog.refused_overlaps import record_overlaps
from catalog.scheduling import (
    LocalTimeAmbiguous,
    LocalTimeMissing,
    describe_occupation,
    ends_of,
    local_moment,
    shows_by_screen,
)
from catalog.seat_maps import Prices, copy_seats

TRIES = 3
# Seats of this many shows per COPY, so that no statement exceeds its timeout.
SHOWS_PER_COPY = 50


class Verdict(models.TextChoices):
    CREATED = "created", "Created"
    EXISTS = "exists", "Already exists"
    COLLIDES = "collides", "Conflict"
    OUTSIDE_RUN = "outside_run", "Outside the run"
    NO_DURATION = "no_duration", "No duration"
    TIME_MISSING = "time_missing", "Time does not exist"
    TIME_AMBIGUOUS = "time_ambiguous", "Ambiguous time"
    OVER = "over", "In the past"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowRequest:
    """A requested show: `clock` is the theatre's local time on a business day."""

    movie: Movie
    screen: Screen
    day: date
    clock: time
    price_card: PriceCard | None
    format: str
    language: str
    # Both are before the start of the show.
    sales_start_before: timedelta | None = None  # None: at once
    sales_end_before: timedelta | None = None  # None: at the start


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePlan:
    """Requested shows of one theatre.

    `fold` chooses the first (0) or second (1) occurrence of ambiguous times.
    """

    theatre: Theatre
    requests: Sequence[ShowRequest]
    status: ShowStatus = ShowStatus.PLANNED
    fold: int | None = None
    outside_run: bool = False  # allows shows before the release or after the run


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult:
    """The result for one request: `show` if created (unsaved in a preview), else `reason`."""

    request: ShowRequest
    verdict: Verdict
    reason: str = ""
    show: Show | None = None
    collision: tuple[Show, Sequence[Show]] | None = None  # the unsaved show, and its rivals
    seat_count: int = 0  # 0: no seat map is created, see the warnings
    warnings: tuple[str, ...] = ()

    @property
    def wall_clock(self) -> datetime:
        return on_business_day(self.request.day, self.request.clock)


def preview(*, plan: SchedulePlan) -> list[PlanResult]:
    """Return what `apply` would do, in order, and write nothing; the query count is constant."""
    evaluator = _Evaluator(plan)
    return [evaluator.evaluate(request) for request in plan.requests]


def apply(*, plan: SchedulePlan, actor: User | None) -> list[PlanResult]:
    """Evaluate the plan under locks, and create the shows that fit, with their seat maps.

    All in one durable transaction. Collisions are recorded as refused overlaps.
    Repeatable: a second time all shows exist.
    """
    for _ in range(TRIES - 1):
        try:
            return _create(plan, actor)
        except IntegrityError as error:
            # Another show was moved here without the screen's lock; the next try sees it.
            if violated_constraint(error) != "show_screen_not_taken":
                raise
    return _create(plan, actor)


def _create(plan: SchedulePlan, actor: User | None) -> list[PlanResult]:
    with transaction.atomic(durable=True):
        # If two users apply the same plan, the second waits here and then finds the shows.
        screens = Screen.objects.filter(pk__in={request.screen.pk for request in plan.requests})
        list(screens.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk"))
        evaluator = _Evaluator(plan)
        results = [evaluator.evaluate(request) for request in plan.requests]
        shows = Show.objects.bulk_create(result.show for result in results if result.show)
        for start in range(0, len(shows), SHOWS_PER_COPY):
            copy_seats(evaluator.seat_maps(shows[start : start + SHOWS_PER_COPY]))
        if shows:
            audit.record(
                actor=actor,
                action="shows_planned",
                subject=plan.theatre,
                theatre_id=plan.theatre.pk,
                show_ids=[show.pk for show in shows],
            )
        # After the shows are created, so that none of them counts as resolving the overlap.
        record_overlaps(
            actor=actor, overlaps=[result.collision for result in results if result.collision]
        )
    return results


class _Evaluator:
    """Evaluates requests in order; a show that is created occupies its screen for the next."""

    def __init__(self, plan: SchedulePlan) -> None:
        self._plan = plan
        self._now = timezone.now()
        self._layouts: dict[int | None, Layout | None] = {
            request.screen.pk: request.screen.parsed_layout for request in plan.requests
        }
        self._prices = _prices(plan.requests)
        self._taken = _shows_by_screen(plan)

    def evaluate(self, request: ShowRequest) -> PlanResult:
        verdict, reason, show = self._verdict(request)
        if show is None:
            return PlanResult(request=request, verdict=verdict, reason=reason)
        if verdict == Verdict.COLLIDES:
            # Shows of the same plan, still unsaved, are not recorded as rivals.
            rivals = [rival for rival in self._rivals(show) if rival.pk]
            collision = (show, rivals) if rivals else None
            return PlanResult(request=request, verdict=verdict, reason=reason, collision=collision)
        self._taken[request.screen.pk].append(show)
        seat_map = self._seat_map(show)
        return PlanResult(
            request=request,
            verdict=verdict,
            show=show,
            seat_count=seat_map[0].size if seat_map else 0,
            warnings=tuple(self._warnings(show)),
        )

    def seat_maps(self, shows: Iterable[Show]) -> list[tuple[int, Layout, Prices]]:
        """Return show id, layout and prices for `copy_seats`; shows that lack one are left out."""
        return [(show.pk, *seat_map) for show in shows if (seat_map := self._seat_map(show))]

    def _verdict(self, request: ShowRequest) -> tuple[Verdict, str, Show | None]:
        plan, movie = self._plan, request.movie
        try:
            start = local_moment(
                on_business_day(request.day, request.clock),
                zone=plan.theatre.zone,
                fold=plan.fold,
            )
        except LocalTimeMissing as refusal:
            return Verdict.TIME_MISSING, str(refusal), None
        except LocalTimeAmbiguous as refusal:
            return Verdict.TIME_AMBIGUOUS, str(refusal), None
        if start <= self._now:
            return Verdict.OVER, "This time is in the past.", None
        if movie.duration_minutes is None:
            return Verdict.NO_DURATION, f"Enter a duration for “{movie}” first.", None
        show = self._show(request, start)
        rivals = self._rivals(show)
        same = [r for r in rivals if (r.movie_id, r.start_time) == (movie.pk, start)]
        if same:
            return Verdict.EXISTS, "This show is already in the programme.", None
        if not plan.outside_run and not movie.is_in_run(request.day):
            return Verdict.OUTSIDE_RUN, _run_of(movie), None
        if rivals:
            return Verdict.COLLIDES, f"With {'; '.join(map(describe_occupation, rivals))}.", show
        return Verdict.CREATED, "", show

    def _rivals(self, show: Show) -> list[Show]:
        return [other for other in self._taken[show.screen_id] if show.overlaps(other)]

    def _show(self, request: ShowRequest, start: datetime) -> Show:
        opens, close = request.sales_start_before, request.sales_end_before
        show = Show(
            movie=request.movie,
            theatre=self._plan.theatre,
            screen=request.screen,
            price_card=request.price_card,
            format=request.format,
            language=request.language,
            status=self._plan.status,
            sales_open_at=None if opens is None else start - opens,
            sales_close_at=None if close is None else start - close,
            **ends_of(movie=request.movie, screen=request.screen, start_time=start)._asdict(),
        )
        show.start_at(start)
        return show

    def _seat_map(self, show: Show) -> tuple[Layout, Prices] | None:
        layout, prices = self._layouts[show.screen_id], self._prices.get(show.price_card_id, {})
        if layout is None or not layout.categories <= prices.keys():
            return None
        return (layout, prices) if self._is_expressible(prices) else None

    def _is_expressible(self, prices: Prices) -> bool:
        currency = self._plan.theatre.currency
        return all(is_expressible(price, currency) for price in prices.values())

    def _warnings(self, show: Show) -> Iterable[str]:
        layout = self._layouts[show.screen_id]
        if layout is None:
            yield "The screen has no layout, so no seat map is created."
        if show.price_card is None:
            yield "No price card, so no seat map is created."
        elif layout and (missing := layout.categories - self._prices[show.price_card_id].keys()):
            yield (
                f"“{show.price_card}” has no price for {', '.join(sorted(missing))}, "
                "so no seat map is created."
            )
        elif not self._is_expressible(self._prices[show.price_card_id]):
            yield (
                f"“{show.price_card}” has prices with more digits than"
                f" {self._plan.theatre.currency}, so no seat map is created."
            )
        zone = self._plan.theatre.zone
        if (
            show.end_time
            and show.end_time.astimezone(zone).date() > show.start_time.astimezone(zone).date()
        ):
            yield f"Runs past midnight, until {clock(show.end_time, zone)}."


def _prices(requests: Iterable[ShowRequest]) -> dict[int | None, dict[str, Decimal]]:
    """Return the prices of every card in use, by card id and category; one query."""
    cards = {request.price_card.pk for request in requests if request.price_card}
    prices: dict[int | None, dict[str, Decimal]] = {card: {} for card in cards}
    lines = PriceCardLine.objects.filter(price_card__in=cards)
    for card, category, price in lines.values_list("price_card", "category", "price"):
        prices[card][category] = price
    return prices


def _shows_by_screen(plan: SchedulePlan) -> dict[int | None, list[Show]]:
    """Return the shows that may collide, by screen id, earliest first; one query."""
    if not plan.requests:
        return defaultdict(list)
    days = [request.day for request in plan.requests]
    midnight = datetime.combine(min(days), time(), plan.theatre.zone)
    # A show starts within a day after its business day begins, and none lasts three days.
    after = datetime.combine(max(days) + timedelta(days=5), time(), plan.theatre.zone)
    return shows_by_screen({request.screen.pk for request in plan.requests}, midnight, after)


def _run_of(movie: Movie) -> str:
    ends = [
        f"{word} {day:%d %b %Y}"
        for word, day in (("from", movie.release_date), ("until", movie.run_ends_on))
        if day
    ]
    return f"“{movie}” runs {' '.join(ends)}."
