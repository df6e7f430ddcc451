"""Imports a venue from the original system's database: every table in turn, in batches.

Rows come in id order, in batches, each committed with the record of what it became. So a run
can be interrupted, and repeated while the original system still sells: no row is imported twice.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction

from bookings.transactions import in_transaction
from catalog.models import Seat, SeatStatus
from legacy_import import programme, purchases, users
from legacy_import.id_map import LARGEST_REUSED_ID, IdMap
from legacy_import.models import ImportedRow
from legacy_import.report import Report
from legacy_import.source import TABLES, Row, Source
from legacy_import.users import Outcome

Take = Callable[[Sequence[Row]], Outcome]
Progress = Callable[[str, int], None]

# The advisory lock of the process that imports.
IMPORT_LOCK = 7_240_119


class ImportRunning(Exception):
    """Another process is importing."""


@dataclass(frozen=True, kw_only=True)
class Venue:
    """Where the rows come from: rows of the same venue name and id are imported once."""

    name: str
    timezone: str
    currency: str


def run_import(
    *,
    source: Source,
    venue: Venue,
    report: Report,
    batch_size: int,
    dry_run: bool,
    progress: Progress,
) -> None:
    """Import the rows that have not been imported yet. A dry run is rolled back at its end.

    `progress` is called with a table and how many more of its rows are done.
    Raise `ImportRunning`.
    """
    id_map = IdMap(venue=venue.name, dry_run=dry_run)
    takers: dict[str, Take] = {
        "users": users.take_users,
        "movies": programme.take_movies,
        "theatres": lambda batch: programme.take_theatres(
            batch, timezone=venue.timezone, currency=venue.currency
        ),
        "shows": lambda batch: programme.take_shows(batch, id_map),
        "seats": lambda batch: programme.take_seats(batch, id_map),
        "bookings": lambda batch: purchases.take_bookings(batch, id_map, source),
    }
    with _rolled_back() if dry_run else _locked() as commit:
        for table in TABLES:
            id_map.reserve_ids(table, source.biggest_id(table, below=LARGEST_REUSED_ID))
            for batch in source.batches(table, size=batch_size):
                _import_batch(table, batch, takers[table], id_map, report, commit)
                progress(table, len(batch))
        report.change("seats", _sold_without_booking(id_map))


Commit = Callable[[Callable[[], tuple[Outcome, int]]], tuple[Outcome, int]]


def _import_batch(
    table: str, batch: list[Row], take: Take, id_map: IdMap, report: Report, commit: Commit
) -> None:
    known = id_map.known(table, [row["id"] for row in batch])

    def work() -> tuple[Outcome, int]:
        outcome = take([row for row in batch if row["id"] not in known])
        return outcome, id_map.write(table, outcome.rows)

    outcome, renumbered = commit(work)
    report.read[table] += len(batch)
    report.known[table] += len(known)
    report.taken[table] += len(outcome.rows)
    report.renumbered[table] += renumbered
    report.refuse(table, outcome.refused)
    report.change(table, outcome.changed)


@contextmanager
def _locked() -> Iterator[Commit]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [IMPORT_LOCK])
        if not cursor.fetchone()[0]:
            raise ImportRunning
        try:
            yield in_transaction
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [IMPORT_LOCK])


@contextmanager
def _rolled_back() -> Iterator[Commit]:
    with transaction.atomic(durable=True):
        yield lambda work: work()
        transaction.set_rollback(True)


def _sold_without_booking(id_map: IdMap) -> Iterator[tuple[int, str]]:
    blocked = Seat.objects.filter(
        status=SeatStatus.BLOCKED, block_reason=programme.SOLD_BEFORE
    ).values("pk")
    rows = ImportedRow.objects.filter(venue=id_map.venue, kind="seats", own_id__in=blocked)
    for number in rows.order_by("original_id").values_list("original_id", flat=True).iterator():
        yield number, "sold there without a booking that could be taken: blocked here"
