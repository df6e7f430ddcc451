"""Which row of the original became which of ours, and under which id."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from django.db import connection
from psycopg import sql

from bookings.models import ImportedRow

# Ids above this get new ones: the sequences must keep room to grow.
BIGGEST_KEPT = 10**15

Values = Mapping[str, Any]


class Ledger:
    """The rows taken from one house. All of it runs in the caller's transaction.

    In a rehearsal ids are negative, so that nobody's insert waits for ours.
    """

    def __init__(self, *, house: str, rehearsal: bool = False) -> None:
        self.house = house
        self._rehearsed = count(-1, -1) if rehearsal else None

    def known(self, table: str, ids: Iterable[int | None]) -> dict[int, int]:
        """Return our ids of those rows that have been taken, by their original ids."""
        wanted = {number for number in ids if number is not None}
        rows = ImportedRow.objects.filter(house=self.house, kind=table, original_id__in=wanted)
        return dict(rows.values_list("original_id", "own_id"))

    def reserve_ids(self, table: str, biggest: int) -> None:
        """Let the table's sequence go on after the original's ids, before they are written."""
        if self._rehearsed:
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [table])
            (sequence,) = cursor.fetchone()
            cursor.execute(
                sql.SQL("SELECT setval({}, {}) FROM {} WHERE last_value < {}").format(
                    sequence, biggest, sql.SQL(sequence), biggest
                )
            )

    def write(self, table: str, rows: Sequence[tuple[int, Values]]) -> int:
        """Insert the rows, by original id, and record them; return how many got a new id.

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
            ImportedRow(house=self.house, kind=table, original_id=original, own_id=own)
            for original, own in ids.items()
        )
        return renumbered

    def _assign(self, table: str, originals: Sequence[int]) -> tuple[dict[int, int], int]:
        """Return our ids by original id, and how many originals cannot keep theirs."""
        with connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("SELECT id FROM {} WHERE id = ANY(%s)").format(sql.Identifier(table)),
                [list(originals)],
            )
            used = {number for (number,) in cursor}
            homeless = [n for n in originals if n in used or not 0 < n <= BIGGEST_KEPT]
            if self._rehearsed:
                return {n: next(self._rehearsed) for n in originals}, len(homeless)
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
                [table, len(homeless)],
            )
            fresh = [number for (number,) in cursor]
        ids = {n: n for n in originals} | dict(zip(homeless, fresh, strict=True))
        return ids, len(homeless)
