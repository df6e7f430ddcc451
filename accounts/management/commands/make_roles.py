"""Make the roles of the staff, or bring them up to date."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.roles import ROLES, ensure_roles


class Command(BaseCommand):
    help = "Make the staff roles with their permissions. Safe to repeat, e.g. at every release."

    def handle(self, *args: Any, **options: Any) -> None:
        ensure_roles()
        self.stdout.write(f"Roles: {', '.join(ROLES)}.")
