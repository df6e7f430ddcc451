"""Settings of the caches. No other code creates a client of Redis."""

import re
from typing import Any

from redis.backoff import NoBackoff
from redis.retry import Retry

from booking_site.environment import SENTINEL_URL

SECONDS = 0.2
_WAITING = {
    "socket_connect_timeout": SECONDS,
    "socket_timeout": SECONDS,
    # Clients made without a URL, such as those of Sentinel, repeat a call ten times by default.
    "retry": Retry(NoBackoff(), 0),
}
# For counts that the server processes need not share.
PROCESS_CACHE = {
    "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
    "OPTIONS": {"MAX_ENTRIES": 10_000},
}


def redis_cache(url: str, *, prefix: str) -> dict[str, Any]:
    """Return the settings of a cache: a call waits for 0.2 s, and an error of Redis is a miss.

    `url` has the form of REDIS_URL. Caches with the same URL share connections, so they must have
    the same options.
    """
    location, sentinel = _sentinel(url)
    return {
        "BACKEND": "booking_site.redis_client.Cache",
        "LOCATION": location,
        "KEY_PREFIX": prefix,
        "OPTIONS": {
            # Not pickle: someone who can write to Redis must not be able to run code here.
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "CLIENT_CLASS": "booking_site.redis_client.CacheClient",
            "REDIS_CLIENT_CLASS": "booking_site.redis_client.BreakerRedis",
            "CONNECTION_POOL_KWARGS": _WAITING,
            "IGNORE_EXCEPTIONS": True,
            **sentinel,
        },
    }


def _sentinel(url: str) -> tuple[str, dict[str, Any]]:
    """Return the location for django-redis, and its options if the URL names Sentinels."""
    match = re.fullmatch(SENTINEL_URL, url)
    if match is None:
        return url, {}
    addresses = [address.rsplit(":", 1) for address in match["addresses"].split(",")]
    return f"redis://{match['login']}{match['service']}{match['rest']}", {
        "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
        "SENTINELS": [(host, int(port)) for host, port in addresses],
        "SENTINEL_KWARGS": _WAITING,
    }
