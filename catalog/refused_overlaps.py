"""Remembering what was refused because its screen was taken, until something comes of it."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from catalog.models import RefusedOverlap, Show, ShowStatus, Theatre
from catalog.scheduling import occupation_of

REMEMBERED_FOR = timedelta(days=7)
# A show of that movie so near to the wish, changed since, is what came of it.
NEAR = timedelta(hours=1)
LONGEST_TEXT = 300


def note_refused(*, actor: User | None, refused: Iterable[tuple[Show, Sequence[Show]]]) -> None:
    """Remember who wanted which shows (unsaved, on a screen), each with those in its way.

    Runs in the caller's transaction, which must not be the one that the refusal
    undoes. What the site itself wanted (no actor) is nobody's to look after.
    """
    if actor is None:
        return
    now = timezone.now()
    rows = {
        (show.screen_id, show.movie_id, show.start_time): RefusedOverlap(
            screen_id=show.screen_id,
            movie_id=show.movie_id,
            start_time=show.start_time,
            in_the_way="; ".join(map(occupation_of, rivals))[:LONGEST_TEXT],
            refused_to=actor,
            refused_at=now,
        )
        for show, rivals in refused
    }
    RefusedOverlap.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=["screen", "movie", "start_time"],
        update_fields=["in_the_way", "refused_to", "refused_at"],
    )


def unresolved(theatres: QuerySet[Theatre]) -> QuerySet[RefusedOverlap]:
    """Return what was refused lately in these theatres and is still to come, by start.

    Settled is a wish near to whose time the theatre shows the movie by now, on
    whichever screen, by a show that was made or changed since the refusal.
    """
    settled = Show.objects.filter(
        movie=OuterRef("movie"),
        theatre=OuterRef("screen__theatre"),
        start_time__range=(OuterRef("start_time") - NEAR, OuterRef("start_time") + NEAR),
        updated_at__gt=OuterRef("refused_at"),
    ).exclude(status=ShowStatus.CANCELLED)
    return (
        RefusedOverlap.objects.filter(
            ~Exists(settled),
            screen__theatre__in=theatres,
            start_time__gt=Now(),
            refused_at__gt=Now() - REMEMBERED_FOR,
        )
        .select_related("movie", "screen__theatre", "refused_to")
        .order_by("start_time", "pk")
    )
