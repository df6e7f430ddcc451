"""Shows that staff tried to plan while their screen was occupied."""

from django.conf import settings
from django.db import models

from booking_site.local_time import clock
from catalog.models.movies import Movie
from catalog.models.screens import Screen


class RefusedOverlap(models.Model):
    """A show that was refused because another show occupied its screen.

    One row for each screen, movie and start; it describes the last attempt.
    """

    screen = models.ForeignKey(Screen, on_delete=models.CASCADE, related_name="+", db_index=False)
    movie = models.ForeignKey(Movie, on_delete=models.CASCADE, related_name="+")
    start_time = models.DateTimeField()
    in_the_way = models.CharField(
        max_length=300, help_text="The shows in its way, as they were then."
    )
    refused_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    refused_at = models.DateTimeField()

    class Meta:
        db_table = "refused_overlaps"
        constraints = (
            models.UniqueConstraint(
                fields=["screen", "movie", "start_time"], name="refused_overlap_noted_once"
            ),
        )

    def __str__(self) -> str:
        zone = self.screen.theatre.zone
        return f"{self.movie} on {self.screen}, {clock(self.start_time, zone, '%Y-%m-%d %H:%M')}"
