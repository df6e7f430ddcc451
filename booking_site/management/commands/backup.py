from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from booking_site.postgres.backups import DumpFailed, write_dump


class Command(BaseCommand):
    help = "Write the whole database to a file, beside live traffic. Redis needs no backup."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        if file.exists():
            raise CommandError(f"{file} already exists.")
        try:
            write_dump(file)
        except DumpFailed as failure:
            raise CommandError(str(failure)) from failure
        self.stdout.write(f"Wrote {file}, {file.stat().st_size:,} bytes.")
