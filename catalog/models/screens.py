"""The screens of a theatre and their layouts."""

from django.db import models

from booking_site.postgres.sort_keys import SortKeyField
from booking_site.typed_text import LineField
from catalog import layouts
from catalog.models.theatres import Theatre


class Screen(models.Model):
    theatre = models.ForeignKey(Theatre, on_delete=models.PROTECT, related_name="screens")
    name = LineField(max_length=80)
    layout = models.TextField(blank=True, default="", validators=[layouts.validate_layout])
    turnaround_minutes = models.PositiveSmallIntegerField(
        "turnaround",
        default=20,
        help_text="Minutes between the end of one show and the start of the next.",
    )
    sort_key = SortKeyField(source="name")

    class Meta:
        db_table = "screens"
        ordering = ("theatre", "sort_key", "name")
        constraints = (
            models.UniqueConstraint(
                fields=["theatre", "name"],
                name="screen_one_name_per_theatre",
                violation_error_message="This theatre already has a screen of that name.",
            ),
            # The target of the shows' foreign key that ties a show's screen to its theatre.
            models.UniqueConstraint(fields=["id", "theatre"], name="screen_with_theatre"),
        )

    def __str__(self) -> str:
        return f"{self.theatre}, {self.name}"

    @property
    def parsed_layout(self) -> layouts.Layout | None:
        """The layout; None if it is empty or invalid."""
        try:
            return layouts.parse_layout(self.layout)
        except layouts.LayoutError:
            return None
