"""The people of the demonstration: made by `seed_demo`, printed by `make run`."""

from typing import NamedTuple


class DemoAccount(NamedTuple):
    role: str
    name: str
    email: str
    password: str


DEMO_PASSWORD = "popcorn-at-eight"

DEMO_ACCOUNTS = (
    DemoAccount("Customer", "Carla Customer", "customer@example.com", DEMO_PASSWORD),
    DemoAccount("Usher", "Umar Usher", "usher@example.com", DEMO_PASSWORD),
    DemoAccount("Box office", "Bea Boxoffice", "boxoffice@example.com", DEMO_PASSWORD),
    DemoAccount("Programmer", "Pia Programmer", "programmer@example.com", DEMO_PASSWORD),
    DemoAccount("Manager", "Max Manager", "manager@example.com", DEMO_PASSWORD),
    DemoAccount("Administrator", "Ada Admin", "admin@example.com", DEMO_PASSWORD),
)
