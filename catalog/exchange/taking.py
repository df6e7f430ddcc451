"""Taking a table of rows: all of them, after a look at what they would do, or none."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from tablib import Dataset

from accounts.models import User
from booking_site.spreadsheets.cells import Unreadable
from catalog.exchange.tables import Change, Table


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a row cannot be taken; `row` is its number in the file, `column` "" for the whole."""

    row: int
    column: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What taking a table does, or did."""

    changes: list[Change]
    flaws: list[Flaw]
    unchanged: int

    @property
    def digest(self) -> str:
        """Tell this outcome from any other."""
        return hashlib.sha256(repr((self.changes, self.flaws)).encode()).hexdigest()


def preview(*, table: type[Table], user: User, rows: Sequence[Sequence[str]]) -> Outcome:
    """Return what `take` would do. Raise `Unreadable` when the headings are not the table's."""
    return _take(table, user, rows, expected=None)


def take(
    *, table: type[Table], user: User, rows: Sequence[Sequence[str]], expected: str
) -> tuple[bool, Outcome]:
    """Write all rows, and tell whether that was done: not when one has a flaw, and not
    when it would do something else than what was expected, by the digest of a preview.

    Raise `Unreadable` when the headings are not the table's. Opens its own transaction.
    """
    outcome = _take(table, user, rows, expected=expected)
    return not outcome.flaws and outcome.digest == expected, outcome


def _take(
    table: type[Table], user: User, rows: Sequence[Sequence[str]], *, expected: str | None
) -> Outcome:
    dataset, numbers = _dataset(table, rows)
    resource = table(user=user)
    with transaction.atomic(durable=True):
        result = resource.import_data(dataset, use_transactions=True)
        flaws = [flaw for row in result.invalid_rows for flaw in _flaws(row.number, row.error)]
        flaws += [
            Flaw(number, "", "This row could not be saved. Try again, or check its values.")
            for number, _ in result.row_errors()
        ]
        outcome = Outcome(
            [replace(change, row=numbers[change.row - 1]) for change in resource.changes],
            [replace(flaw, row=numbers[flaw.row - 1]) for flaw in flaws],
            result.totals["skip"],
        )
        transaction.set_rollback(bool(flaws) or outcome.digest != expected)
    return outcome


def _dataset(table: type[Table], rows: Sequence[Sequence[str]]) -> tuple[Dataset, list[int]]:
    """Return the rows that say something, and their numbers in the file."""
    wanted = list(table._meta.export_order)
    if not rows:
        raise Unreadable(
            f"The file is empty. Its first row names the columns: {', '.join(wanted)}."
        )
    given = [heading.strip() for heading in rows[0]]
    if missing := [column for column in wanted if column not in given]:
        raise Unreadable(f"Columns are missing: {', '.join(missing)}. Export a file to see all.")
    if unknown := [column for column in given if column and column not in wanted]:
        raise Unreadable(f"Unknown columns: {', '.join(unknown)}. Remove them.")
    dataset, numbers = Dataset(headers=wanted), []
    for number, row in enumerate(rows[1:], start=2):
        cells = dict(zip(given, row, strict=False))
        if any(cells.values()):
            dataset.append([cells.get(column, "") for column in wanted])
            numbers.append(number)
    return dataset, numbers


def _flaws(row: int, error: ValidationError) -> list[Flaw]:
    if not hasattr(error, "error_dict"):
        return [Flaw(row, "", message) for message in error.messages]
    return [
        Flaw(row, "" if column == NON_FIELD_ERRORS else column, message)
        for column, messages in error.message_dict.items()
        for message in messages
    ]
