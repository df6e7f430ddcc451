"""Records shows that were refused because their screen was occupied, until they are resolved."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from catalog.models import RefusedOverlap, Show, ShowStatus, Theatre
from catalog.scheduling import describe_occupation

LISTED_FOR = timedelta(days=7)
# A show of the movie this close to the refused start, changed since, resolves the overlap.
NEAR = timedelta(hours=1)
MAX_TEXT_LENGTH = 300


def record_overlaps(*, actor: User | None, overlaps: Iterable[tuple[Show, Sequence[Show]]]) -> None:
    """Record refused shows (unsaved, with a screen), each with the shows it overlaps.

    Runs in the caller's transaction, which must not be the one that the refusal
    rolls back. Without an actor nothing is recorded: nobody would follow it up.
    """
    if actor is None:
        return
    now = timezone.now()
    rows = {
        (show.screen_id, show.movie_id, show.start_time): RefusedOverlap(
            screen_id=show.screen_id,
            movie_id=show.movie_id,
            start_time=show.start_time,
            in_the_way="; ".join(map(describe_occupation, rivals))[:MAX_TEXT_LENGTH],
            refused_to=actor,
            refused_at=now,
        )
        for show, rivals in overlaps
    }
    RefusedOverlap.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=["screen", "movie", "start_time"],
        update_fields=["in_the_way", "refused_to", "refused_at"],
    )


def unresolved_overlaps(theatres: QuerySet[Theatre]) -> QuerySet[RefusedOverlap]:
    """Return the recent overlaps in these theatres with a future start, by start.

    An overlap is resolved once the theatre shows the movie near that time, on any
    screen, in a show that was created or changed after the refusal.
    """
    resolved = Show.objects.filter(
        movie=OuterRef("movie"),
        theatre=OuterRef("screen__theatre"),
        start_time__range=(OuterRef("start_time") - NEAR, OuterRef("start_time") + NEAR),
        updated_at__gt=OuterRef("refused_at"),
    ).exclude(status=ShowStatus.CANCELLED)
    return (
        RefusedOverlap.objects.filter(
            ~Exists(resolved),
            screen__theatre__in=theatres,
            start_time__gt=Now(),
            refused_at__gt=Now() - LISTED_FOR,
        )
        .select_related("movie", "screen__theatre", "refused_to")
        .order_by("start_time", "pk")
    )
