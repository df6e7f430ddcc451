"""Look whether a live database is as it should be."""

import sys
import time
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, transaction

from bookings.invariants import Finding, examine


class Command(BaseCommand):
    help = (
        "Check every invariant in one read-only pass over one snapshot, beside live traffic."
        " One line each; exit code 1 when one is broken."
    )

    def handle(self, **options: Any) -> None:
        began = time.monotonic()
        with transaction.atomic(durable=True):
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                # Whole tables are joined; with less, PostgreSQL does it through files.
                cursor.execute("SET LOCAL work_mem = '64MB'")
            findings = []
            for finding in examine():
                self.stdout.write(self._line(finding))
                findings.append(finding)
        broken = sum(finding.is_violation for finding in findings)
        self.stdout.write(
            f"{len(findings)} invariants, {broken} broken, in {time.monotonic() - began:.1f} s"
        )
        if broken:
            sys.exit(1)

    def _line(self, finding: Finding) -> str:
        invariant = finding.invariant
        if not finding.count:
            return f"{'ok':<7}{invariant.name:<31}{invariant.sentence}"
        word = "BROKEN" if finding.is_violation else "note"
        style = self.style.ERROR if finding.is_violation else self.style.WARNING
        examples = ", ".join(finding.examples)
        more = ", …" if finding.count > len(finding.examples) else ""
        return style(
            f"{word:<7}{invariant.name:<31}{finding.count}: {examples}{more} ({invariant.sentence})"
        )
