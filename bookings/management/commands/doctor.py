"""Check a live database."""

import sys
import time
from collections.abc import Collection
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, ProgrammingError, connection, transaction

from bookings.integrity.invariants import Finding, Severity, examine, invariant_names

BROKEN, NOT_EXAMINED, TASKS_FAILED = 1, 2, 3


class Command(BaseCommand):
    help = (
        "Check every invariant in one read-only snapshot, beside live traffic, and print a line"
        " for each. Exit code 1: one is broken; 2: the database cannot be checked; 3: none is"
        " broken, but the worker has given up on tasks or mails."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "names",
            nargs="*",
            metavar="INVARIANT",
            help="check only these invariants, e.g. before migrate",
        )

    def handle(self, *, names: list[str], **options: Any) -> None:
        began = time.monotonic()
        if unknown := set(names) - invariant_names():
            raise CommandError(f"Unknown invariants: {', '.join(sorted(unknown))}.")
        try:
            findings = self._examine(names)
        except (OperationalError, InterfaceError) as error:
            raise CommandError(
                f"The database does not respond: {_first_line(error)}. Check DATABASE_URL,"
                " and that PostgreSQL is running.",
                returncode=NOT_EXAMINED,
            ) from error
        except ProgrammingError as error:
            raise CommandError(
                f"The tables do not match this version: {_first_line(error)}."
                " Run manage.py migrate.",
                returncode=NOT_EXAMINED,
            ) from error
        broken = sum(finding.is_violation for finding in findings)
        self.stdout.write(
            f"{len(findings)} invariants, {broken} broken, in {time.monotonic() - began:.1f} s"
        )
        if broken:
            sys.exit(BROKEN)
        if any(finding.severity is Severity.FAILURE for finding in findings):
            sys.exit(TASKS_FAILED)

    def _examine(self, names: Collection[str]) -> list[Finding]:
        """Print a line for each invariant, and return the findings."""
        findings = []
        with transaction.atomic(durable=True):
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                # Joins of whole tables; with less memory, PostgreSQL writes temporary files.
                cursor.execute("SET LOCAL work_mem = '64MB'")
            for finding in examine(names):
                self.stdout.write(self._line(finding))
                findings.append(finding)
        return findings

    def _line(self, finding: Finding) -> str:
        invariant = finding.invariant
        if finding.severity is None:
            return f"{'ok':<7}{invariant.name:<33}{invariant.sentence}"
        style = self.style.WARNING if finding.severity is Severity.NOTE else self.style.ERROR
        examples = ", ".join(finding.examples)
        more = ", …" if finding.count > len(finding.examples) else ""
        return style(
            f"{finding.severity.value:<7}{invariant.name:<33}"
            f"{finding.count}: {examples}{more} ({invariant.sentence})"
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
