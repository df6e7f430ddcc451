"""Create the staff roles, or update their permissions."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.roles import ROLES, ensure_roles


class Command(BaseCommand):
    help = "Create the staff roles with their permissions. Repeatable, e.g. at every release."

    def handle(self, *args: Any, **options: Any) -> None:
        ensure_roles()
        self.stdout.write(f"Roles: {', '.join(ROLES)}.")
