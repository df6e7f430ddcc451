"""What became of the rows: counts for the screen, every single case for a file."""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import IO

EXAMPLES = 5


class Report:
    """Counts by table; a few ids for each reason. `cases` gets one CSV line for every case."""

    def __init__(self, cases: IO[str] | None = None) -> None:
        self.read: Counter[str] = Counter()
        self.known: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        self.renumbered: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._reasons: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        self._totals: Counter[tuple[str, str, str]] = Counter()
        self._cases = csv.writer(cases) if cases else None
        if self._cases:
            self._cases.writerow(["table", "id", "outcome", "reason"])

    def refuse(self, table: str, cases: Iterable[tuple[int, str]]) -> None:
        for number, reason in cases:
            self.refused[table] += 1
            self._note(table, number, "not taken", reason)

    def change(self, table: str, cases: Iterable[tuple[int, str]]) -> None:
        for number, reason in cases:
            self._note(table, number, "taken, but", reason)

    def lines(self) -> Iterator[str]:
        """Yield the report for people."""
        yield f"{'':<10}{'read':>9}{'before':>9}{'taken':>9}{'new id':>9}{'refused':>9}"
        for table in self.read:
            counts = (self.read, self.known, self.taken, self.renumbered, self.refused)
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
