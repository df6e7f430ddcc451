from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from booking_site.postgres.backups import DumpFailed, read_dump


class Command(BaseCommand):
    help = (
        "Restore a backup into an empty database, flush Redis, and run the doctor. "
        "Stop all web processes first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--rehearsal",
            action="store_true",
            help="do not flush Redis, and mark the database so that no worker runs on it",
        )

    def handle(self, *args: Any, file: Path, rehearsal: bool, **options: Any) -> None:
        if not file.is_file():
            raise CommandError(f"{file} does not exist.")
        try:
            read_dump(file, rehearsal=rehearsal)
        except DumpFailed as failure:
            raise CommandError(str(failure)) from failure
        self.stdout.write("Restored.")
        if not rehearsal:
            self._flush_redis()
        call_command("doctor", stdout=self.stdout)

    def _flush_redis(self) -> None:
        try:
            # It may have responses for purchases that are not in the backup.
            get_redis_connection("default").flushdb()
        except RedisError as error:
            raise CommandError(
                f"Restored. Flush Redis before you start the site: {error}"
            ) from error
        self.stdout.write("Flushed Redis.")
