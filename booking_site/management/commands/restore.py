from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from booking_site.postgres.backups import DumpFailed, read_dump


class Command(BaseCommand):
    help = (
        "Fill an empty database from a backup, flush Redis, and examine the result. "
        "No web process may run meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        if not file.is_file():
            raise CommandError(f"There is no {file}.")
        try:
            read_dump(file)
        except DumpFailed as failure:
            raise CommandError(str(failure)) from failure
        self.stdout.write("Restored.")
        try:
            # It has answers about purchases that the backup does not know.
            get_redis_connection("default").flushdb()
        except RedisError as error:
            raise CommandError(f"Restored, but flush Redis before you go on: {error}") from error
        self.stdout.write("Flushed Redis.")
        call_command("doctor", stdout=self.stdout)
