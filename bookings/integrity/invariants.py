"""The invariants of the database, and the check that finds violations.

Most are in `invariants.sql`. The caller's transaction decides which snapshot the check reads.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from string import Template

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models import ForeignKey
from django.utils.module_loading import import_string

from booking_site.local_time import zone_names
from booking_site.money import currencies
from booking_site.postgres import sessions
from booking_site.tasks.outbox import ATTEMPTS
from bookings.integrity import guards, texts, time_zones

EXAMPLES = 5
_QUERIES = Path(__file__).with_name("invariants.sql")
_QUERY = re.compile(r"^-- (\w+) \((\w+)\): (.+)\n([^;]+);$", re.MULTILINE)


class Severity(Enum):
    """How serious offenders are; the value is what the doctor prints."""

    VIOLATION = "BROKEN"  # a guarantee does not hold
    FAILURE = "FAILED"  # the data is sound, but the worker has given up on something
    NOTE = "note"  # a scheduled job or staff will deal with them


@dataclass(frozen=True, slots=True)
class Invariant:
    """`sentence` is true of a sound database; `sql` returns the names of the offenders."""

    name: str
    sentence: str
    sql: str
    severity: Severity = Severity.VIOLATION


@dataclass(frozen=True, slots=True)
class Finding:
    """The number of offenders of an invariant, and the names of the first few."""

    invariant: Invariant
    count: int
    examples: list[str]

    @property
    def severity(self) -> Severity | None:
        """None without offenders."""
        return self.invariant.severity if self.count else None

    @property
    def is_violation(self) -> bool:
        return self.severity is Severity.VIOLATION


def examine(names: Collection[str] = ()) -> Iterator[Finding]:
    """Yield a finding for every invariant, in order, also for those without offenders.

    With `names`, examine only these invariants.
    """
    for invariant, offenders in CHECKED_IN_PYTHON:
        if names and invariant.name not in names:
            continue
        found = offenders()
        yield Finding(invariant, len(found), found[:EXAMPLES])
    for invariant in invariants():
        if names and invariant.name not in names:
            continue
        with connection.cursor() as cursor:
            # clock_timestamp() is later than the snapshot, so a hold that it finds active was
            # active in the snapshot too.
            cursor.execute(
                f"""
                SELECT count(*), coalesce((array_agg(name ORDER BY name))[1:{EXAMPLES}], '{{}}')
                  FROM ({invariant.sql}) AS offenders(name)
                """  # noqa: S608 - constants
            )
            count, examples = cursor.fetchone()
        yield Finding(invariant, count, examples)


def invariant_names() -> set[str]:
    return {each.name for each in (*(each for each, _ in CHECKED_IN_PYTHON), *invariants())}


def invariants() -> tuple[Invariant, ...]:
    """Return every invariant that has a query, in the order in which to print them."""
    text = Template(_QUERIES.read_text()).substitute(
        attempts=ATTEMPTS,
        max_seats=settings.MAX_SEATS_PER_ORDER,
        currencies=", ".join(f"('{code}', {digits})" for code, digits in currencies().items()),
        zones=", ".join(f"'{name}'" for name in sorted(zone_names())),
    )
    own = [
        Invariant(name, sentence, sql, Severity[severity.upper()])
        for name, severity, sentence, sql in _QUERY.findall(text)
    ]
    others = [import_string(path) for path in settings.INVARIANTS]
    return (*own, _references_exist(), *others)


def _references_exist() -> Invariant:
    missing = []
    for model in apps.get_models(include_auto_created=True):
        table, key = model._meta.db_table, model._meta.pk
        for field in model._meta.concrete_fields:
            if isinstance(field, ForeignKey):
                column, (target,) = field.column, field.foreign_related_fields
                missing.append(
                    f"""
                    SELECT '{model._meta.verbose_name} ' || {key.column}
                           || ': no {field.verbose_name} ' || {column}
                      FROM {table} AS own
                     WHERE {column} IS NOT NULL
                       AND NOT EXISTS (SELECT FROM {target.model._meta.db_table} AS other
                                        WHERE other.{target.column} = own.{column})
                    """  # noqa: S608 - names of models
                )
    return Invariant(
        "references_exist",
        "Every row that another row refers to exists.",
        " UNION ALL ".join(missing),
    )


CONSTRAINTS_IN_PLACE = Invariant(
    "constraints_in_place",
    "Every constraint, index and trigger of the migrations exists, unchanged and enforced.",
    "",
)
POSTGRES_ZONES_AGREE = Invariant(
    "postgres_zones_agree",
    "PostgreSQL's time zone data, which the site does not use, agree with the site's.",
    "",
    Severity.NOTE,
)
UPCOMING_SHOWS_AS_PLANNED = Invariant(
    "upcoming_shows_as_planned",
    "Upcoming shows start at the local time that they were planned for.",
    "",
    Severity.NOTE,
)
TEXTS_VISIBLE = Invariant(
    "texts_visible",
    "No text has invisible characters, and no name of a user a link: the back office refuses both.",
    "",
    Severity.NOTE,
)
WEB_SESSIONS_SAFE = Invariant(
    "web_sessions_safe",
    "Web processes reach PostgreSQL directly, or through a pooler that is safe for them.",
    "",
)
CHECKED_IN_PYTHON = (
    (CONSTRAINTS_IN_PLACE, guards.missing),
    (POSTGRES_ZONES_AGREE, time_zones.different_in_postgres),
    (UPCOMING_SHOWS_AS_PLANNED, time_zones.shows_not_as_planned),
    (TEXTS_VISIBLE, texts.refused_texts),
    (WEB_SESSIONS_SAFE, sessions.web_errors),
)
