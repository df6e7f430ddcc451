"""A plan of many shows: judged line by line, then carried out in one transaction."""

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
from catalog.layouts import Layout
from catalog.models import Movie, PriceCard, PriceCardLine, Screen, Show, ShowStatus, Theatre
from catalog.programme.days import on_business_day
from catalog.refused_overlaps import note_refused
from catalog.scheduling import (
    LocalTimeAmbiguous,
    LocalTimeMissing,
    ends_of,
    local_moment,
    occupation_of,
)
from catalog.seat_maps import Prices, copy_seats

TRIES = 3
# One COPY for each so many shows, so that no statement runs into its timeout.
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
class Wish:
    """A show as it is entered: `clock` is the theatre's, on a business day."""

    movie: Movie
    screen: Screen
    day: date
    clock: time
    price_card: PriceCard | None
    format: str
    language: str
    sales_end_before: timedelta | None = None  # that long before the start; None: at the start


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Shows wanted in one theatre. `fold` says which of two is meant when a time comes twice."""

    theatre: Theatre
    wishes: Sequence[Wish]
    status: ShowStatus = ShowStatus.PLANNED
    fold: int | None = None
    outside_run: bool = False  # previews before the release, films kept longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What becomes of a wish: `show` when it is created (unsaved in a preview), else `reason`."""

    wish: Wish
    verdict: Verdict
    reason: str = ""
    show: Show | None = None
    collision: tuple[Show, Sequence[Show]] | None = None  # what it would be, what is in its way
    size: int = 0  # seats of its map; 0: none is laid yet, see the warnings
    warnings: tuple[str, ...] = ()

    @property
    def wall_clock(self) -> datetime:
        return on_business_day(self.wish.day, self.wish.clock)

    @property
    def is_created(self) -> bool:
        return self.verdict == Verdict.CREATED


def preview(*, draft: Draft) -> list[Line]:
    """Judge every wish, in order, and write nothing. As many queries for one as for many."""
    judge = _Judge(draft)
    return [judge.line(wish) for wish in draft.wishes]


def apply(*, draft: Draft, actor: User | None) -> list[Line]:
    """Judge again, under locks, and create what can be: shows and their seat maps.

    All lines in one durable transaction; their verdicts say what happened, and
    what collides is remembered. A second time everything exists already.
    """
    for _ in range(TRIES - 1):
        try:
            return _create(draft, actor)
        except IntegrityError as error:
            # Somebody moved a show here meanwhile, past the screens' locks: now it is seen.
            if violated_constraint(error) != "show_screen_not_taken":
                raise
    return _create(draft, actor)


def _create(draft: Draft, actor: User | None) -> list[Line]:
    with transaction.atomic(durable=True):
        # Two people apply the same plan: the second waits here, and then finds the shows.
        screens = Screen.objects.filter(pk__in={wish.screen.pk for wish in draft.wishes})
        list(screens.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk"))
        judge = _Judge(draft)
        lines = [judge.line(wish) for wish in draft.wishes]
        shows = Show.objects.bulk_create(line.show for line in lines if line.show)
        for start in range(0, len(shows), SHOWS_PER_COPY):
            copy_seats(judge.seat_maps(shows[start : start + SHOWS_PER_COPY]))
        if shows:
            audit.record(
                actor=actor,
                action="shows_planned",
                subject=draft.theatre,
                theatre_id=draft.theatre.pk,
                show_ids=[show.pk for show in shows],
            )
        # After the shows: one that is made now is not what came of a refused one.
        note_refused(actor=actor, refused=[line.collision for line in lines if line.collision])
    return lines


class _Judge:
    """Judges wishes one after the other; one that is created is in the way of the next."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._now = timezone.now()
        self._rooms: dict[int | None, Layout | None] = {
            wish.screen.pk: wish.screen.room for wish in draft.wishes
        }
        self._prices = _prices(draft.wishes)
        self._taken = _shows_by_screen(draft)

    def line(self, wish: Wish) -> Line:
        verdict, reason, show = self._judge(wish)
        if show is None:
            return Line(wish=wish, verdict=verdict, reason=reason)
        if verdict == Verdict.COLLIDES:
            # What the plan itself puts there is no refusal by what was there.
            rivals = [rival for rival in self._rivals(show) if rival.pk]
            collision = (show, rivals) if rivals else None
            return Line(wish=wish, verdict=verdict, reason=reason, collision=collision)
        self._taken[wish.screen.pk].append(show)
        room = self._room_to_lay(show)
        return Line(
            wish=wish,
            verdict=verdict,
            show=show,
            size=room[0].size if room else 0,
            warnings=tuple(self._warnings(show)),
        )

    def seat_maps(self, shows: Iterable[Show]) -> list[tuple[int, Layout, Prices]]:
        """Return what the shows' seats are made of; a show that lacks something is left out."""
        return [(show.pk, *room) for show in shows if (room := self._room_to_lay(show))]

    def _judge(self, wish: Wish) -> tuple[Verdict, str, Show | None]:
        draft = self._draft
        try:
            start = local_moment(
                on_business_day(wish.day, wish.clock), zone=draft.theatre.zone, fold=draft.fold
            )
        except LocalTimeMissing as refusal:
            return Verdict.TIME_MISSING, refusal.message, None
        except LocalTimeAmbiguous as refusal:
            return Verdict.TIME_AMBIGUOUS, refusal.message, None
        if start <= self._now:
            return Verdict.OVER, "This time is over.", None
        if wish.movie.duration_minutes is None:
            return Verdict.NO_DURATION, f"Give “{wish.movie}” a duration first.", None
        show = self._show(wish, start)
        rivals = self._rivals(show)
        same = [r for r in rivals if (r.movie_id, r.start_time) == (wish.movie.pk, start)]
        if same:
            return Verdict.EXISTS, "It is in the programme already.", None
        if not draft.outside_run and not wish.movie.is_in_run(wish.day):
            return Verdict.OUTSIDE_RUN, _run_of(wish.movie), None
        if rivals:
            return Verdict.COLLIDES, f"With {'; '.join(map(occupation_of, rivals))}.", show
        return Verdict.CREATED, "", show

    def _rivals(self, show: Show) -> list[Show]:
        return [other for other in self._taken[show.screen_id] if _overlap(show, other)]

    def _show(self, wish: Wish, start: datetime) -> Show:
        ends = ends_of(movie=wish.movie, screen=wish.screen, start_time=start)
        return Show(
            movie=wish.movie,
            theatre=self._draft.theatre,
            screen=wish.screen,
            price_card=wish.price_card,
            start_time=start,
            end_time=ends.end_time,
            occupied_until=ends.occupied_until,
            format=wish.format,
            language=wish.language,
            status=self._draft.status,
            sales_close_at=None if wish.sales_end_before is None else start - wish.sales_end_before,
        )

    def _room_to_lay(self, show: Show) -> tuple[Layout, Prices] | None:
        room, prices = self._rooms[show.screen_id], self._prices.get(show.price_card_id, {})
        return (room, prices) if room and room.categories <= prices.keys() else None

    def _warnings(self, show: Show) -> Iterable[str]:
        room = self._rooms[show.screen_id]
        if room is None:
            yield "The screen has no layout, so no seat map is made."
        if show.price_card is None:
            yield "No price card, so no seat map is made."
        elif room and (missing := room.categories - self._prices[show.price_card_id].keys()):
            yield (
                f"“{show.price_card}” has no price for {', '.join(sorted(missing))}, "
                "so no seat map is made."
            )
        zone = self._draft.theatre.zone
        if (
            show.end_time
            and show.end_time.astimezone(zone).date() > show.start_time.astimezone(zone).date()
        ):
            yield f"Runs past midnight, until {show.end_time.astimezone(zone):%H:%M}."


def _prices(wishes: Iterable[Wish]) -> dict[int | None, dict[str, Decimal]]:
    """Return the prices of every card in use, by its id; one query."""
    cards = {wish.price_card.pk for wish in wishes if wish.price_card}
    prices: dict[int | None, dict[str, Decimal]] = {card: {} for card in cards}
    lines = PriceCardLine.objects.filter(price_card__in=cards)
    for card, category, price in lines.values_list("price_card", "category", "price"):
        prices[card][category] = price
    return prices


def _shows_by_screen(draft: Draft) -> dict[int | None, list[Show]]:
    """Return the shows that may be in the way, earliest first; one query."""
    taken: dict[int | None, list[Show]] = defaultdict(list)
    if not draft.wishes:
        return taken
    days = [wish.day for wish in draft.wishes]
    midnight = datetime.combine(min(days), time(), draft.theatre.zone)
    # A show starts at most a day after its business day does, and none lasts for three.
    after = datetime.combine(max(days) + timedelta(days=5), time(), draft.theatre.zone)
    shows = (
        Show.objects.filter(
            screen__in={wish.screen.pk for wish in draft.wishes},
            occupied_until__gt=midnight,
            start_time__lt=after,
        )
        .exclude(status=ShowStatus.CANCELLED)
        .select_related("movie", "theatre")
        .order_by("start_time", "pk")
    )
    for show in shows:
        taken[show.screen_id].append(show)
    return taken


def _overlap(one: Show, other: Show) -> bool:
    # On a screen a show always has an end: show_on_screen_occupies_it.
    return bool(
        one.occupied_until
        and other.occupied_until
        and one.start_time < other.occupied_until
        and other.start_time < one.occupied_until
    )


def _run_of(movie: Movie) -> str:
    ends = [
        f"{word} {day:%d %b %Y}"
        for word, day in (("from", movie.release_date), ("until", movie.run_ends_on))
        if day
    ]
    return f"“{movie}” runs {' '.join(ends)}."
