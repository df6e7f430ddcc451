"""Run tasks and scheduled jobs, beside the web processes."""

import signal
from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from booking_site.tasks.worker import RehearsalDatabase, Worker, parent_has_ended


class Command(BaseCommand):
    help = (
        "Run tasks, such as mails, and scheduled jobs. One process is enough; more are safe."
        " SIGTERM ends it after the current task. If it is killed, no task is lost."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--until-empty", action="store_true", help="run the tasks that are due, then end"
        )
        parser.add_argument(
            "--parent", type=int, metavar="PID", help="end when this parent process has ended"
        )

    def handle(self, *, until_empty: bool, parent: int | None, **options: Any) -> None:
        for variable, value in (
            ("EMAIL_URL", settings.EMAIL_URL),
            ("MAIL_FROM", settings.DEFAULT_FROM_EMAIL),
        ):
            if not value:
                raise CommandError(
                    f"Set {variable} (see .env.example). Until then, mails stay queued."
                )
        worker = Worker(is_orphan=partial(parent_has_ended, parent)) if parent else Worker()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: worker.stop.set())
        try:
            worker.run(until_empty=until_empty)
        except RehearsalDatabase as error:
            raise CommandError(
                "This database is the copy of a rehearsal (restore --rehearsal), whose mails have"
                " been sent. To use it as the site's database, run DROP SCHEMA rehearsal."
            ) from error
