"""Debian's Sentinel: the caches find the master through it, and work without one."""

import pytest

from tests.test_redis_states import (  # noqa: F401 - fixtures, and the test to run here as well
    directory,
    redis,
    sentinel,
    test_a_master_is_found_through_sentinel_and_its_loss_changes_no_answer,
    use_redis,
)


@pytest.fixture
def sentinel_command() -> list[str]:
    return ["/usr/bin/redis-sentinel"]
