"""The whole move: every table in turn, every batch in one transaction."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction

from bookings.models import ImportedRow
from bookings.moving_in import people, programme, purchases
from bookings.moving_in.ledger import BIGGEST_KEPT, Ledger
from bookings.moving_in.people import Outcome
from bookings.moving_in.report import Report
from bookings.moving_in.source import TABLES, Row, Source
from bookings.transactions import in_transaction
from catalog.models import Seat, SeatStatus

Take = Callable[[Sequence[Row]], Outcome]
Progress = Callable[[str, int], None]


# The advisory lock of whoever moves a house in.
MOVES = 7_240_119


class AlreadyMoving(Exception):
    """Another process takes a house over at this moment."""


@dataclass(frozen=True, kw_only=True)
class House:
    """`name` tells houses apart: rows of the same name and id are taken once."""

    name: str
    timezone: str
    currency: str


def take_over(
    *,
    source: Source,
    house: House,
    report: Report,
    batch_size: int,
    rehearsal: bool,
    progress: Progress,
) -> None:
    """Take whatever has not been taken yet. A rehearsal is rolled back at its end.

    `progress` is called with a table and how many more of its rows are done.
    Raise `AlreadyMoving`.
    """
    ledger = Ledger(house=house.name, rehearsal=rehearsal)
    takers: dict[str, Take] = {
        "users": people.take_users,
        "movies": programme.take_movies,
        "theatres": lambda batch: programme.take_theatres(
            batch, timezone=house.timezone, currency=house.currency
        ),
        "shows": lambda batch: programme.take_shows(batch, ledger),
        "seats": lambda batch: programme.take_seats(batch, ledger),
        "bookings": lambda batch: purchases.take_bookings(batch, ledger, source),
    }
    with _rehearsing() if rehearsal else _for_real() as commit:
        for table in TABLES:
            ledger.reserve_ids(table, source.biggest_id(table, below=BIGGEST_KEPT))
            for batch in source.batches(table, size=batch_size):
                _take_batch(table, batch, takers[table], ledger, report, commit)
                progress(table, len(batch))
        report.change("seats", _sold_without_booking(ledger))


Commit = Callable[[Callable[[], tuple[Outcome, int]]], tuple[Outcome, int]]


def _take_batch(
    table: str, batch: list[Row], take: Take, ledger: Ledger, report: Report, commit: Commit
) -> None:
    known = ledger.known(table, [row["id"] for row in batch])

    def work() -> tuple[Outcome, int]:
        outcome = take([row for row in batch if row["id"] not in known])
        return outcome, ledger.write(table, outcome.rows)

    outcome, renumbered = commit(work)
    report.read[table] += len(batch)
    report.known[table] += len(known)
    report.taken[table] += len(outcome.rows)
    report.renumbered[table] += renumbered
    report.refuse(table, outcome.refused)
    report.change(table, outcome.changed)


@contextmanager
def _for_real() -> Iterator[Commit]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [MOVES])
        if not cursor.fetchone()[0]:
            raise AlreadyMoving
        try:
            yield in_transaction
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MOVES])


@contextmanager
def _rehearsing() -> Iterator[Commit]:
    with transaction.atomic(durable=True):
        yield lambda work: work()
        transaction.set_rollback(True)


def _sold_without_booking(ledger: Ledger) -> Iterator[tuple[int, str]]:
    blocked = Seat.objects.filter(
        status=SeatStatus.BLOCKED, block_reason=programme.SOLD_BEFORE
    ).values("pk")
    rows = ImportedRow.objects.filter(house=ledger.house, kind="seats", own_id__in=blocked)
    for number in rows.order_by("original_id").values_list("original_id", flat=True).iterator():
        yield number, "sold there without a booking that could be taken: blocked here"
