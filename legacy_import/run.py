"""Imports a venue from the original system's database: every table in turn, in batches.

Rows are read in id order. Each batch is committed together with the record of its new ids, so a run
can be interrupted, and repeated while the original system still sells: no row is imported twice.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import DataError, IntegrityError, connection, transaction

from booking_site.api.errors import violated_constraint
from bookings.transactions import in_transaction
from catalog.models import SOLD_BEFORE, Seat, SeatStatus
from legacy_import import programme, purchases, users
from legacy_import.id_map import LARGEST_REUSED_ID, IdMap
from legacy_import.models import ImportedRow
from legacy_import.report import Report
from legacy_import.source import TABLES, Row, Source
from legacy_import.users import BatchResult

Convert = Callable[[Sequence[Row]], BatchResult]
Progress = Callable[[str, int], None]

# Advisory lock: one process imports at a time.
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

    `progress` is called with a table and the number of rows just done.
    Raise `ImportRunning`.
    """
    id_map = IdMap(venue=venue.name, dry_run=dry_run)
    converters: dict[str, Convert] = {
        "users": users.convert_users,
        "movies": programme.convert_movies,
        "theatres": lambda batch: programme.convert_theatres(
            batch, timezone=venue.timezone, currency=venue.currency
        ),
        "shows": lambda batch: programme.convert_shows(batch, id_map),
        "seats": lambda batch: programme.convert_seats(batch, id_map, currency=venue.currency),
        "bookings": lambda batch: purchases.convert_bookings(batch, id_map, source),
    }
    with _rolled_back() if dry_run else _locked() as commit:
        for table in TABLES:
            id_map.reserve_ids(table, source.biggest_id(table, below=LARGEST_REUSED_ID))
            for batch in source.batches(table, size=batch_size):
                _import_batch(table, batch, converters[table], id_map, report, commit)
                progress(table, len(batch))
        report.adjust("seats", _sold_without_booking(id_map))


Commit = Callable[[Callable[[], tuple[BatchResult, int]]], tuple[BatchResult, int]]


def _import_batch(
    table: str, batch: list[Row], convert: Convert, id_map: IdMap, report: Report, commit: Commit
) -> None:
    """Import the batch; if the database refuses it, row by row, to report those that it refuses."""
    known = id_map.known(table, [row["id"] for row in batch])

    def work() -> tuple[BatchResult, int]:
        result = convert([row for row in batch if row["id"] not in known])
        return result, id_map.write(table, result.rows)

    try:
        result, renumbered = commit(work)
    except (IntegrityError, DataError) as error:
        if len(batch) > 1:
            for row in batch:
                _import_batch(table, [row], convert, id_map, report, commit)
            return
        reason = f"the database refuses it: {violated_constraint(error) or type(error).__name__}"
        result, renumbered = BatchResult(rejected=[(batch[0]["id"], reason)]), 0
    report.read[table] += len(batch)
    report.known[table] += len(known)
    report.imported[table] += len(result.rows)
    report.renumbered[table] += renumbered
    report.reject(table, result.rejected)
    report.adjust(table, result.adjusted)


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
        yield transaction.atomic(lambda work: work())
        transaction.set_rollback(True)


def _sold_without_booking(id_map: IdMap) -> Iterator[tuple[int, str]]:
    blocked = Seat.objects.filter(status=SeatStatus.BLOCKED, block_reason=SOLD_BEFORE).values("pk")
    rows = ImportedRow.objects.filter(venue=id_map.venue, kind="seats", own_id__in=blocked)
    for number in rows.order_by("original_id").values_list("original_id", flat=True).iterator():
        yield number, "sold, but no booking could be imported: blocked here"
