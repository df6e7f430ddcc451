"""What in the environment is missing or unsafe for production: all of it, at once."""

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

REQUIRED = ("SECRET_KEY", "JWT_SIGNING_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL")
MIN_KEY_BYTES = 32
MIN_DIFFERENT_CHARACTERS = 10
SECOND_FACTORS = ("off", "optional", "required")
CUSTOMER_BITS = 64  # how much of an IPv6 address accounts.client_address looks at

_RATE = re.compile(r"[1-9][0-9]*/(s|sec|second|m|min|minute|h|hour|d|day)")
_HERE = {"localhost", "127.0.0.1", "::1"}


def flaws(environment: Mapping[str, str]) -> list[str]:
    """Return a sentence for everything that production must not run with."""
    return [
        *(f"{name} is missing." for name in REQUIRED if not environment.get(name)),
        *_flaws_of_keys(environment),
        *_flaws_of_names(environment),
        *_flaws_of_the_back_office(environment),
        *_flaws_of_limits(environment),
    ]


def networks(text: str) -> list[IPv4Network | IPv6Network]:
    """Read networks or addresses, separated by commas. Raise ValueError."""
    found = [ip_network(part.strip()) for part in text.split(",") if part.strip()]
    for network in found:
        if network.version == 6 and network.prefixlen > CUSTOMER_BITS:
            raise ValueError(f"{network} is narrower than /{CUSTOMER_BITS}")
    return found


def _flaws_of_keys(environment: Mapping[str, str]) -> Iterator[str]:
    keys = {
        name: environment[name]
        for name in ("SECRET_KEY", "JWT_SIGNING_KEY", "JWT_PREVIOUS_KEY", "METRICS_TOKEN")
        if environment.get(name)
    }
    for name, key in keys.items():
        if len(key.encode()) < MIN_KEY_BYTES:
            yield f"{name} is shorter than {MIN_KEY_BYTES} bytes."
        if len(set(key)) < MIN_DIFFERENT_CHARACTERS:
            yield f"{name} is made of too few different characters."
    names = list(keys)
    for index, name in enumerate(names):
        for other in names[index + 1 :]:
            if keys[name] == keys[other]:
                yield f"{name} and {other} are the same."


def _flaws_of_names(environment: Mapping[str, str]) -> Iterator[str]:
    if _is_on(environment.get("DEBUG", "")):
        yield "DEBUG is on: it would show settings and data to strangers."
    if any(host in {"*", "."} for host in _list(environment, "ALLOWED_HOSTS")):
        yield "ALLOWED_HOSTS allows every host."
    for name in ("CORS_ALLOWED_ORIGINS", "CSRF_TRUSTED_ORIGINS"):
        for origin in _list(environment, name):
            parts = urlsplit(origin)
            if "*" in origin or not parts.hostname or parts.scheme not in {"http", "https"}:
                yield f"{name} has {origin!r}, which is not one origin."
            elif parts.scheme == "http" and parts.hostname not in _HERE:
                yield f"{name} has {origin!r}, which is not reached by HTTPS."
    database = environment.get("DATABASE_URL", "")
    if database and urlsplit(database).scheme not in {"postgres", "postgresql"}:
        yield "DATABASE_URL is not the address of a PostgreSQL server."
    redis = environment.get("REDIS_URL", "")
    if redis and urlsplit(redis).scheme not in {"redis", "rediss", "unix"}:
        yield "REDIS_URL is not the address of a Redis server."


def _flaws_of_the_back_office(environment: Mapping[str, str]) -> Iterator[str]:
    if environment.get("ADMIN_SECOND_FACTOR", "optional") not in SECOND_FACTORS:
        yield f"ADMIN_SECOND_FACTOR is none of {', '.join(SECOND_FACTORS)}."
    try:
        networks(environment.get("ADMIN_ALLOWED_ADDRESSES", ""))
    except ValueError as error:
        yield f"ADMIN_ALLOWED_ADDRESSES cannot be read: {error}."


def _flaws_of_limits(environment: Mapping[str, str]) -> Iterator[str]:
    for name, rate in environment.items():
        if name.startswith("THROTTLE_") and rate and not _RATE.fullmatch(rate):
            yield f"{name} has {rate!r}, which is no rate such as 60/min."
    threads, pool = environment.get("GUNICORN_THREADS"), environment.get("DATABASE_POOL_MAX")
    if int(threads or 8) > int(pool or 8):
        yield "GUNICORN_THREADS is more than DATABASE_POOL_MAX: threads would wait for each other."


def _list(environment: Mapping[str, str], name: str) -> list[str]:
    return [part.strip() for part in environment.get(name, "").split(",") if part.strip()]


def _is_on(text: str) -> bool:
    return text.strip().lower() in {"1", "true", "yes", "on", "y", "t"}
