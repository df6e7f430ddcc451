"""Delete old tasks. The worker runs this every hour."""

from typing import Any

from django.core.management.base import BaseCommand

from booking_site.tasks.queue import FAILED_DAYS, FINISHED_DAYS, delete_old_tasks


class Command(BaseCommand):
    help = (
        f"Delete tasks that finished more than {FINISHED_DAYS} day ago, and failed ones after"
        f" {FAILED_DAYS} days."
    )

    def handle(self, **options: Any) -> None:
        self.stdout.write(f"Tasks deleted: {delete_old_tasks()}")
