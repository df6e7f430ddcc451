"""Theatres and their staff."""

from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from booking_site.email_address import CanonicalEmailField
from booking_site.languages import DEFAULT_LANGUAGE, LANGUAGE_CODES, LANGUAGES
from booking_site.local_time import zone_named, zone_names
from booking_site.money import digits_of
from booking_site.postgres.sort_keys import SortKeyField
from booking_site.postgres.timestamped import Timestamped, TimestampedQuerySet
from booking_site.typed_text import LineField


def validate_timezone(name: str) -> None:
    """Raise ValidationError unless `name` is an IANA time zone."""
    if name not in zone_names():
        raise ValidationError(
            "“%(name)s” isn't a time zone. Use an IANA name such as Europe/Vienna.",
            params={"name": name},
        )


class GapRule(models.TextChoices):
    OFF = "off", "Off: customers may leave single seats"
    MIDDLE_ONLY = "middle_only", "On: no single seat left between two taken ones"


class Theatre(Timestamped):
    name = LineField(max_length=200)
    location = LineField(max_length=300, blank=True, default="", db_default="")
    timezone = models.CharField(
        max_length=64,
        default="UTC",
        db_default="UTC",
        validators=[validate_timezone],
        help_text="IANA name. All times of this theatre are entered and shown in it.",
    )
    currency = models.CharField(
        max_length=3,
        default="USD",
        db_default="USD",
        help_text="ISO 4217 code, e.g. EUR.",
    )
    language = models.CharField(
        max_length=8,
        choices=LANGUAGES,
        default=DEFAULT_LANGUAGE,
        db_default=DEFAULT_LANGUAGE,
        help_text="For e-mails and tickets of walk-in customers. They can choose another.",
    )
    gap_rule = models.CharField(
        "single seats",
        max_length=12,
        choices=GapRule,
        default=GapRule.OFF,
        db_default=GapRule.OFF,
    )
    contact_email = CanonicalEmailField(
        "contact e-mail",
        blank=True,
        default="",
        db_default="",
        help_text="Replies to e-mails about this theatre's shows go to this address.",
    )
    staff = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        related_name="theatres",
        db_table="theatre_staff",
        blank=True,
        limit_choices_to={"is_staff": True},
        help_text="Staff of this theatre. They see and sell only the shows of their own theatres.",
    )

    sort_key = SortKeyField(source="name")

    objects = TimestampedQuerySet["Theatre"].as_manager()

    class Meta:
        db_table = "theatres"
        ordering = ("sort_key", "name", "id")
        permissions = (("work_everywhere", "Can work in every theatre"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(gap_rule__in=GapRule.values), name="theatre_gap_rule_known"
            ),
            models.CheckConstraint(
                condition=Q(language__in=LANGUAGE_CODES), name="theatre_language_known"
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="theatre_currency_iso"
            ),
            # No mail can be sent with any other address in a header.
            models.CheckConstraint(
                condition=Q(contact_email="") | Q(contact_email__regex=r"^[!-~]+@[!-~]+$"),
                name="theatre_contact_email_ascii",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return zone_named(self.timezone)


def digits_in_use() -> frozenset[int]:
    """Return the numbers of decimal places of the theatres' currencies; 2 without theatres."""
    used = Theatre.objects.order_by().values_list("currency", flat=True).distinct()
    return frozenset(map(digits_of, used)) or frozenset({2})
