"""Imports a table of rows: a preview, then all of them or none."""

import hashlib
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from django.core.exceptions import NON_FIELD_ERRORS
from django.db import transaction
from tablib import Dataset

from accounts.models import User
from booking_site.spreadsheets.cells import Invalid, Unreadable, Value, is_blank
from catalog.exchange.tables import Change, Table

# A page with more would be too large.
MAX_LISTED_ERRORS = 500


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row cannot be imported; `row` is its number in the file.

    `column` is the heading, the letter of a column without one, or "" for the whole row.
    """

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
    def listed_errors(self) -> list[RowError]:
        return self.errors[:MAX_LISTED_ERRORS]

    @property
    def digest(self) -> str:
        """A hash by which a confirmation names the outcome that was previewed."""
        return hashlib.sha256(repr((self.changes, self.errors)).encode()).hexdigest()


def preview_import(*, table: type[Table], user: User, rows: Sequence[Sequence[Value]]) -> Outcome:
    """Return what `import_rows` would do. Raise Unreadable if the headings are wrong."""
    return _run(table, user, rows, expected=None)


def import_rows(
    *, table: type[Table], user: User, rows: Sequence[Sequence[Value]], expected: str
) -> tuple[bool, Outcome]:
    """Import all rows, and return whether that was done, and the outcome.

    Nothing is imported if a row has an error, or if the outcome differs from the one that
    was previewed, whose digest is `expected`. Raise Unreadable if the headings are wrong.
    Opens its own transaction.
    """
    outcome = _run(table, user, rows, expected=expected)
    return not outcome.errors and outcome.digest == expected, outcome


def _run(
    table: type[Table], user: User, rows: Sequence[Sequence[Value]], *, expected: str | None
) -> Outcome:
    dataset, numbers, cell_errors = _dataset(table, rows)
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
            sorted(
                cell_errors + [replace(error, row=numbers[error.row - 1]) for error in errors],
                key=lambda error: error.row,
            ),
            result.totals["skip"],
        )
        transaction.set_rollback(bool(outcome.errors) or outcome.digest != expected)
    return outcome


def _dataset(
    table: type[Table], rows: Sequence[Sequence[Value]]
) -> tuple[Dataset, list[int], list[RowError]]:
    """Return the rows that are not empty, their numbers in the file, and errors of other rows."""
    wanted = list(table._meta.export_order)
    if not rows:
        raise Unreadable(
            f"The file is empty. Its first row must name the columns: {', '.join(wanted)}."
        )
    headings = _headings(rows[0], wanted)
    dataset, numbers, errors = Dataset(headers=wanted), [], []
    for number, row in enumerate(rows[1:], start=2):
        if found := list(_cell_errors(number, row, headings)):
            errors += found
        elif not all(map(is_blank, row)):
            cells = dict(zip(headings, row, strict=False))  # blank cells at the end may be missing
            dataset.append([cells.get(column, "") for column in wanted])
            numbers.append(number)
    return dataset, numbers, errors


def _headings(row: Sequence[Value], wanted: list[str]) -> list[str]:
    """Return the column that each heading names, "" if blank; "Release date" is release_date."""
    headings = ["_".join(str(cell).casefold().split()) for cell in row]
    if missing := [column for column in wanted if column not in headings]:
        raise Unreadable(f"Columns are missing: {', '.join(missing)}. Export a file to see all.")
    named = [heading for heading in headings if heading]
    if unknown := [str(row[headings.index(name)]) for name in named if name not in wanted]:
        raise Unreadable(f"Unknown columns: {', '.join(unknown)}. Remove them.")
    if repeated := [column for column in wanted if headings.count(column) > 1]:
        raise Unreadable(f"Several columns are called {', '.join(repeated)}. Remove all but one.")
    return headings


def _cell_errors(number: int, row: Sequence[Value], headings: list[str]) -> Iterator[RowError]:
    if len(row) > len(headings):
        message = (
            f"The row has {len(row)} cells, but there are {len(headings)} headings. Put texts that"
            " contain a separator in quotes."
        )
        yield RowError(number, _letter(len(headings)), message)
    for index, (cell, heading) in enumerate(zip(row, headings, strict=False)):
        if isinstance(cell, Invalid):
            yield RowError(number, heading or _letter(index), cell.message)
        elif not heading and not is_blank(cell):
            message = f"“{str(cell)[:40]}” has no heading. Add one, or delete the cell."
            yield RowError(number, _letter(index), message)


def _letter(index: int) -> str:
    """Return the letter of a column, as spreadsheets show it; after Z, its number."""
    letters = string.ascii_uppercase
    return letters[index] if index < len(letters) else str(index + 1)
