"""Mark the tests that start processes as `tooling` and run them last, as listed here.

One process runs all of tests/faults, so that their servers start once.
"""

from collections.abc import Generator
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

FAULTS = "tests/faults/"
# The longest first, so that the processes of one run end at about the same time.
TOOLING = (
    "tests/benchmarks/test_stampede.py",
    FAULTS,
    "tests/booking_site/postgres/test_backups.py",
    "tests/booking_site/tasks/test_worker.py",
    "tests/test_schema.py",
    "tests/clients/",
    "tests/bookings/test_over_http.py",
    "tests/bookings/test_without_redis.py",
    "tests/booking_site/test_production.py",
    "tests/booking_site/test_embedded.py",
    "tests/test_bad_input.py",
    "tests/booking_site/http/test_servers.py",
    "tests/booking_site/http/test_health.py",
    "tests/bookings/test_maps_over_http.py",
    "tests/test_moved_models.py",
    "tests/booking_site/test_makefile.py",
    "tests/booking_site/test_memory.py",
    "tests/booking_site/test_audit.py",
)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    for path in TOOLING:
        if not (config.rootpath / path).exists():
            raise pytest.UsageError(f"tests/tooling.py lists {path}, which does not exist.")
    for item in items:
        if _place(item) >= 0:
            item.add_marker("tooling")
    yield
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    """Return the item's place in TOOLING, -1 when it is not there."""
    places = (place for place, path in enumerate(TOOLING) if item.nodeid.startswith(path))
    return next(places, -1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return _ByFile(config, log)


class _ByFile(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return FAULTS if nodeid.startswith(FAULTS) else super()._split_scope(nodeid)
