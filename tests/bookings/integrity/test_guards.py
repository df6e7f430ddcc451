"""`guards.txt` lists what the migrations create."""

import os

import pytest

from bookings.integrity.guards import EXPECTED, enforced


@pytest.mark.django_db
def test_the_list_of_guards_is_what_the_migrations_make() -> None:
    made = "".join(f"{line}\n" for line in sorted(enforced()))
    if "WRITE_GUARDS" in os.environ:
        EXPECTED.write_text(made)
    assert EXPECTED.read_text() == made, "To regenerate the list, set WRITE_GUARDS=1."
