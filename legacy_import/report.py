"""The import's report: counts and examples for the terminal, every case for a CSV file."""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import IO

EXAMPLES = 5


class Report:
    """Counts by table, and example ids for each reason.

    `cases` gets a CSV line for every case, and a last one from `end`.
    """

    def __init__(self, cases: IO[str] | None = None) -> None:
        self.read: Counter[str] = Counter()
        self.known: Counter[str] = Counter()
        self.imported: Counter[str] = Counter()
        self.renumbered: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self._reasons: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        self._totals: Counter[tuple[str, str, str]] = Counter()
        self._cases = csv.writer(cases) if cases else None
        if self._cases:
            self._cases.writerow(["table", "id", "outcome", "reason"])

    def reject(self, table: str, cases: Iterable[tuple[int, str]]) -> None:
        for number, reason in cases:
            self.rejected[table] += 1
            self._note(table, number, "not imported", reason)

    def adjust(self, table: str, cases: Iterable[tuple[int, str]]) -> None:
        for number, reason in cases:
            self._note(table, number, "imported, but", reason)

    def end(self) -> None:
        """Write the number of cases as the last line. Without it, the import was interrupted."""
        if self._cases:
            self._cases.writerow(["end", self._totals.total(), "", ""])

    def lines(self) -> Iterator[str]:
        """Yield the report for the terminal."""
        yield f"{'':<10}{'read':>9}{'before':>9}{'imported':>9}{'new id':>9}{'rejected':>9}"
        for table in self.read:
            counts = (self.read, self.known, self.imported, self.renumbered, self.rejected)
            yield f"{table:<10}" + "".join(f"{count[table]:>9}" for count in counts)
        for key, total in sorted(self._totals.items()):
            table, outcome, reason = key
            ids = ", ".join(map(str, self._reasons[key]))
            more = ", …" if total > EXAMPLES else ""
            yield f"{table}, {outcome}: {reason} ({total}: {ids}{more})"

    def _note(self, table: str, number: int, outcome: str, reason: str) -> None:
        key = (table, outcome, reason)
        self._totals[key] += 1
        if len(self._reasons[key]) < EXAMPLES:
            self._reasons[key].append(number)
        if self._cases:
            self._cases.writerow([table, number, outcome, reason])
