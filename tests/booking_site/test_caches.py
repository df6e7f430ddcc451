"""The caches in Redis."""

from collections import defaultdict
from typing import Any


def test_caches_with_one_url_have_the_same_options(settings: Any) -> None:
    """Django-redis gives them one connection pool, with the options of the first."""
    by_url = defaultdict(list)
    for cache in settings.CACHES.values():
        by_url[cache.get("LOCATION")].append(cache["OPTIONS"])
    assert len(by_url[settings.REDIS_URL]) == 2
    assert all(each == first for first, *others in by_url.values() for each in others)
