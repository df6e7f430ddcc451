"""Imports a table of rows: a preview, then all of them or none."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.core.exceptions import NON_FIELD_ERRORS
from django.db import transaction
from tablib import Dataset

from accounts.models import User
from booking_site.spreadsheets.cells import Unreadable
from catalog.exchange.tables import Change, Table


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row cannot be imported; `row` is its number in the file, `column` "" for all."""

    row: int
    column: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import would do, or did."""

    changes: list[Change]
    errors: list[RowError]
    unchanged: int

    @property
    def digest(self) -> str:
        """A hash by which a confirmation names the outcome that was previewed."""
        return hashlib.sha256(repr((self.changes, self.errors)).encode()).hexdigest()


def preview_import(*, table: type[Table], user: User, rows: Sequence[Sequence[str]]) -> Outcome:
    """Return what `import_rows` would do. Raise Unreadable if the headings are wrong."""
    return _run(table, user, rows, expected=None)


def import_rows(
    *, table: type[Table], user: User, rows: Sequence[Sequence[str]], expected: str
) -> tuple[bool, Outcome]:
    """Import all rows, and return whether that was done, and the outcome.

    Nothing is imported if a row has an error, or if the outcome differs from the one that
    was previewed, whose digest is `expected`. Raise Unreadable if the headings are wrong.
    Opens its own transaction.
    """
    outcome = _run(table, user, rows, expected=expected)
    return not outcome.errors and outcome.digest == expected, outcome


def _run(
    table: type[Table], user: User, rows: Sequence[Sequence[str]], *, expected: str | None
) -> Outcome:
    dataset, numbers = _dataset(table, rows)
    resource = table(user=user)
    with transaction.atomic(durable=True):
        result = resource.import_data(dataset, use_transactions=True)
        errors = [
            RowError(row.number, "" if column == NON_FIELD_ERRORS else column, message)
            for row in result.invalid_rows
            for column, messages in row.error_dict.items()
            for message in messages
        ]
        errors += [
            RowError(number, "", "This row could not be saved. Try again, or check its values.")
            for number, _ in result.row_errors()
        ]
        outcome = Outcome(
            [replace(change, row=numbers[change.row - 1]) for change in resource.changes],
            [replace(error, row=numbers[error.row - 1]) for error in errors],
            result.totals["skip"],
        )
        transaction.set_rollback(bool(errors) or outcome.digest != expected)
    return outcome


def _dataset(table: type[Table], rows: Sequence[Sequence[str]]) -> tuple[Dataset, list[int]]:
    """Return the rows that are not empty, and their numbers in the file."""
    wanted = list(table._meta.export_order)
    if not rows:
        raise Unreadable(
            f"The file is empty. Its first row must name the columns: {', '.join(wanted)}."
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
