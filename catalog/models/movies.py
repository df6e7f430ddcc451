"""Movies."""

from datetime import date

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q, Value

from booking_site.postgres.sort_keys import SortKeyField
from booking_site.postgres.timestamped import Timestamped, TimestampedQuerySet
from booking_site.postgres.words import FoldedWords
from booking_site.typed_text import LineField, MultilineField, clean_text


class Movie(Timestamped):
    title = LineField(max_length=200)
    description = MultilineField(blank=True, default="", db_default="")
    duration_minutes = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Running time in minutes. Required to plan shows on a screen.",
    )
    certificate = LineField(
        max_length=12, blank=True, default="", db_default="", help_text="Age rating, e.g. PG."
    )
    language = LineField(
        max_length=35, blank=True, default="", db_default="", help_text="Original language."
    )
    genres = ArrayField(
        LineField(max_length=40),
        blank=True,
        default=list,
        db_default=Value([], output_field=ArrayField(models.CharField(max_length=40))),
        help_text="Separated by commas.",
    )
    poster_url = models.URLField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        validators=[clean_text],  # type: ignore[list-item] # its result is not needed
    )
    release_date = models.DateField(null=True, blank=True)
    run_ends_on = models.DateField(
        "run ends on",
        null=True,
        blank=True,
        help_text="Last business day on which it may be shown; empty: no limit.",
    )

    # For searches. Generated, so that plain SQL need not write it.
    words = models.GeneratedField(
        expression=FoldedWords("title", "description"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    sort_key = SortKeyField(source="title")

    objects = TimestampedQuerySet["Movie"].as_manager()

    class Meta:
        db_table = "movies"
        ordering = ("sort_key", "title", "id")
        indexes = (GinIndex(fields=["words"], name="movie_by_words"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(duration_minutes__isnull=True) | Q(duration_minutes__gte=1),
                name="movie_duration_positive",
            ),
            models.CheckConstraint(
                condition=Q(release_date__isnull=True)
                | Q(run_ends_on__isnull=True)
                | Q(run_ends_on__gte=F("release_date")),
                name="movie_run_ends_after_release",
                violation_error_message="The run can't end before the release.",
            ),
        )

    def __str__(self) -> str:
        return self.title

    def is_in_run(self, day: date) -> bool:
        """Return whether its run, from release to end, includes this business day."""
        is_released = self.release_date is None or self.release_date <= day
        return is_released and (self.run_ends_on is None or day <= self.run_ends_on)
