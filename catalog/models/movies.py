"""What is shown."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q, Value

from catalog.models.timestamped import Timestamped


class Movie(Timestamped):
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="", db_default="")
    duration_minutes = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Running time in minutes. Needed before a show on a screen can be planned.",
    )
    certificate = models.CharField(
        max_length=12, blank=True, default="", db_default="", help_text="Age rating, e.g. PG."
    )
    language = models.CharField(
        max_length=35, blank=True, default="", db_default="", help_text="Original language."
    )
    genres = ArrayField(
        models.CharField(max_length=40),
        blank=True,
        default=list,
        db_default=Value([], output_field=ArrayField(models.CharField(max_length=40))),
        help_text="Separated by commas.",
    )
    poster_url = models.URLField(max_length=500, blank=True, default="", db_default="")
    release_date = models.DateField(null=True, blank=True)

    class Meta:
        db_table = "movies"
        ordering = ("title", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(duration_minutes__isnull=True) | Q(duration_minutes__gte=1),
                name="movie_duration_positive",
            ),
        )

    def __str__(self) -> str:
        return self.title
