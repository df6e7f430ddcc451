"""Maps the ids of the original system's rows to ids in this database."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import count
from typing import Any

from django.db import connection
from psycopg import sql

from legacy_import.models import ImportedRow

# Rows with a larger id get a new one, so that the sequences have room to grow.
LARGEST_REUSED_ID = 10**15

Values = Mapping[str, Any]


class IdMap:
    """The imported rows of one venue. Every method runs in the caller's transaction.

    A dry run assigns negative ids, so that no insert of the site waits for it.
    """

    def __init__(self, *, venue: str, dry_run: bool = False) -> None:
        self.venue = venue
        self._dry_run_ids = count(-1, -1) if dry_run else None

    def known(self, table: str, ids: Iterable[int | None]) -> dict[int, int]:
        """Return the new ids of the rows that have been imported, by their original ids."""
        wanted = {number for number in ids if number is not None}
        rows = ImportedRow.objects.filter(venue=self.venue, kind=table, original_id__in=wanted)
        return dict(rows.values_list("original_id", "own_id"))

    def existing(self, table: str, ids: Iterable[int | None]) -> dict[int, int]:
        """Return those of `known` that have not been deleted here, locked against deletion."""
        known = self.known(table, ids)
        with connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("SELECT id FROM {} WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE").format(
                    sql.Identifier(table)
                ),
                [list(known.values())],
            )
            found = {number for (number,) in cursor}
        return {original: own for original, own in known.items() if own in found}

    def reserve_ids(self, table: str, largest: int) -> None:
        """Advance the table's sequence past the original's ids, before they are inserted."""
        if self._dry_run_ids:
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [table])
            (sequence,) = cursor.fetchone()
            cursor.execute(
                sql.SQL("SELECT setval({}, {}) FROM {} WHERE last_value < {}").format(
                    sequence, largest, sql.SQL(sequence), largest
                )
            )

    def write(self, table: str, rows: Sequence[tuple[int, Values]]) -> int:
        """Insert the rows, given by original id, and record them; return how many got a new id.

        All rows have the same columns, without `id`.
        """
        if not rows:
            return 0
        ids, renumbered = self._assign(table, [original for original, _ in rows])
        names = ["id", *rows[0][1]]
        insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join([sql.Placeholder()] * len(names)),
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                insert, [[ids[original], *values.values()] for original, values in rows]
            )
        ImportedRow.objects.bulk_create(
            ImportedRow(venue=self.venue, kind=table, original_id=original, own_id=own)
            for original, own in ids.items()
        )
        return renumbered

    @cached_property
    def _largest_archived_seat(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT coalesce(max(id), 0) FROM archived_rooms, unnest(seat_ids) id")
            largest: int = cursor.fetchone()[0]
        return largest

    def _assign(self, table: str, originals: Sequence[int]) -> tuple[dict[int, int], int]:
        """Return the new ids by original id, and how many differ from the original."""
        with connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("SELECT id FROM {} WHERE id = ANY(%s)").format(sql.Identifier(table)),
                [list(originals)],
            )
            used = {number for (number,) in cursor}
            if table == "seats":
                used |= {n for n in originals if n <= self._largest_archived_seat}
            # The row of another venue that became this id may have been deleted here.
            imported = ImportedRow.objects.filter(kind=table, own_id__in=originals)
            used.update(imported.values_list("own_id", flat=True))
            renumbered = [n for n in originals if n in used or not 0 < n <= LARGEST_REUSED_ID]
            if self._dry_run_ids:
                return {n: next(self._dry_run_ids) for n in originals}, len(renumbered)
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
                [table, len(renumbered)],
            )
            fresh = [number for (number,) in cursor]
        ids = {n: n for n in originals} | dict(zip(renumbered, fresh, strict=True))
        return ids, len(renumbered)
