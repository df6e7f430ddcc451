#!/bin/sh
# Two caches of django-redis with one URL share a connection pool, which has the options of the first:
# the second cache waits as long as the first may, whatever its own timeout is.
# And IGNORE_EXCEPTIONS does not cover every method: some raise when Redis cannot be reached.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet Django==5.2.19 django-redis==7.0.0 redis==8.1.0
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from django.conf import settings


def cache(timeout: float) -> dict[str, object]:
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": "redis://127.0.0.1:1/0",  # nothing listens there
        "OPTIONS": {"SOCKET_TIMEOUT": timeout, "IGNORE_EXCEPTIONS": True},
    }


settings.configure(CACHES={"default": cache(30.0), "quick": cache(0.2)})
from django.core.cache import caches

print("django-redis", version("django-redis"), "redis", version("redis"))
timeouts = []
for name in ("default", "quick"):
    client = caches[name].client.get_client()
    timeouts.append(client.connection_pool.connection_kwargs["socket_timeout"])
    print(name, "waits", timeouts[-1], "s")

raising = []
for name, arguments in {
    "get": ("k",),
    "set": ("k", 1),
    "delete": ("k",),
    "touch": ("k",),
    "ttl": ("k",),
    "expire": ("k", 1),
    "sadd": ("k", 1),
    "hlen": ("k",),
}.items():
    try:
        getattr(caches["quick"], name)(*arguments)
    except Exception as error:
        raising.append(name)
        print(name, "raises", type(error).__name__)
assert timeouts == [30.0, 30.0], "changed"
assert raising == ["touch", "ttl", "expire", "sadd", "hlen"], "changed"
PYTHON
