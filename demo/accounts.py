"""The demo accounts: created by `seed_demo`, printed by `make run`."""

from typing import NamedTuple

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.roles import ROLES, ensure_roles

CUSTOMER = "Customer"
ADMINISTRATOR = "Administrator"


class DemoAccount(NamedTuple):
    role: str
    name: str
    email: str
    password: str


DEMO_PASSWORD = "popcorn-at-eight"

DEMO_ACCOUNTS = (
    DemoAccount(CUSTOMER, "Carla Customer", "customer@example.com", DEMO_PASSWORD),
    DemoAccount("Usher", "Umar Usher", "usher@example.com", DEMO_PASSWORD),
    DemoAccount("Box office", "Bea Boxoffice", "boxoffice@example.com", DEMO_PASSWORD),
    DemoAccount("Programmer", "Pia Programmer", "programmer@example.com", DEMO_PASSWORD),
    DemoAccount("Manager", "Max Manager", "manager@example.com", DEMO_PASSWORD),
    DemoAccount(ADMINISTRATOR, "Ada Admin", "admin@example.com", DEMO_PASSWORD),
)


def make_demo_accounts() -> None:
    """Create the demo accounts with their roles; existing ones are left unchanged."""
    ensure_roles()
    for account in DEMO_ACCOUNTS:
        with transaction.atomic(durable=True):
            if not User.objects.filter(email=account.email).exists():
                _make(account)


def _make(account: DemoAccount) -> None:
    user = User.objects.create_user(
        name=account.name,
        email=account.email,
        password=account.password,
        email_confirmed_at=timezone.now(),
        is_staff=account.role != CUSTOMER,
        is_superuser=account.role == ADMINISTRATOR,
    )
    if account.role in ROLES:
        user.groups.add(Group.objects.get(name=account.role))
