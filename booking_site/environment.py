"""What in the environment is missing, unreadable or unsafe for production: all of it, at once.

No Django here: the servers ask before there are settings.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

REQUIRED = ("SECRET_KEY", "JWT_SIGNING_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL")
MIN_KEY_BYTES = 32
MIN_DIFFERENT_CHARACTERS = 10
# Whole numbers, and the least that each may be.
NUMBERS = {
    "ACCESS_TOKEN_MINUTES": 1,
    "CANCELLATION_CUTOFF_MINUTES": 0,
    "DATABASE_POOL_MAX": 1,
    "DATABASE_POOL_MIN": 0,
    "HOLD_MAX_MINUTES": 1,
    "HOLD_MINUTES": 1,
    # 0 would let statements wait for ever.
    "IDLE_IN_TRANSACTION_TIMEOUT_MS": 1,
    "LOCK_TIMEOUT_MS": 1,
    "STATEMENT_TIMEOUT_MS": 1,
    # 0 would let passwords be guessed without end.
    "LOGIN_FAILURES_PER_ACCOUNT": 1,
    "LOGIN_FAILURES_PER_ADDRESS": 1,
    "LOGIN_LOCK_MINUTES": 1,
    "MAIL_LINK_HOURS": 1,
    "MAX_HELD_SEATS_PER_USER": 1,
    "MAX_SEATS_PER_ORDER": 1,
    "NUM_PROXIES": 0,
    "PORT": 0,
    "WEB_CONCURRENCY": 1,
    "WEB_GRACEFUL_SECONDS": 1,
    "WEB_THREADS": 1,
}
# Rate limits such as 60/min; an empty value removes the limit.
RATES = (
    "THROTTLE_BOOKING",
    "THROTTLE_BOOKING_ADDRESS",
    "THROTTLE_HOLD",
    "THROTTLE_HOLD_ADDRESS",
    "THROTTLE_LOGIN",
    "THROTTLE_MAIL",
    "THROTTLE_MAIL_LINK",
    "THROTTLE_READ",
    "THROTTLE_REGISTER",
)
SWITCHES = ("BOOKING_MAILS", "DATABASE_PREPARE", "DEVELOPMENT", "EMAIL_CONFIRMATION_REQUIRED")
SENDING = ("smtp", "smtp+tls", "smtp+ssl", "smtps")
SECOND_FACTORS = ("off", "optional", "required")
CUSTOMER_BITS = 64  # how much of an IPv6 address accounts.client_address looks at

_RATE = re.compile(r"[1-9][0-9]*/(s|sec|second|m|min|minute|h|hour|d|day)")
_HERE = {"localhost", "127.0.0.1", "::1"}
_ON = {"1", "true", "yes", "on", "y", "ok"}
_OFF = {"", "0", "false", "no", "off", "n"}


def validation_errors(environment: Mapping[str, str]) -> str:
    """Return one line for each error in the environment, under a title; "" if there is none."""
    if _is_on(environment.get("DEVELOPMENT", "")):
        title, found = "The environment cannot be read", list(_unreadable(environment))
    else:
        title, found = "Not fit for production", flaws(environment)
    lines = (f"\n- {flaw}" for flaw in found)
    return f"{title} (see .env.example):{''.join(lines)}" if found else ""


def exit_if_unfit(environment: Mapping[str, str]) -> None:
    """End the process with the errors of the environment, if there are any, and no traceback."""
    if text := validation_errors(environment):
        sys.exit(text)


def flaws(environment: Mapping[str, str]) -> list[str]:
    """Return a sentence for everything that production must not run with."""
    return [
        *(f"{name} is missing." for name in REQUIRED if not environment.get(name)),
        *_unreadable(environment),
        *_flaws_of_keys(environment),
        *_flaws_of_names(environment),
        *_flaws_of_mail(environment),
        *_flaws_of_the_pool(environment),
    ]


def networks(text: str) -> list[IPv4Network | IPv6Network]:
    """Read networks or addresses, separated by commas. Raise ValueError."""
    found = [ip_network(part.strip()) for part in text.split(",") if part.strip()]
    for network in found:
        if network.version == 6 and network.prefixlen > CUSTOMER_BITS:
            raise ValueError(f"{network} is narrower than /{CUSTOMER_BITS}")
    return found


def _unreadable(environment: Mapping[str, str]) -> Iterator[str]:
    for name, least in NUMBERS.items():
        if name in environment and _number(environment[name]) < least:
            yield f"{name} has {environment[name]!r}, which is no whole number from {least} on."
    seconds = environment.get("DATABASE_POOL_TIMEOUT_SECONDS", "1")
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", seconds) or not float(seconds):
        yield f"DATABASE_POOL_TIMEOUT_SECONDS has {seconds!r}, which is no number of seconds."
    for name in SWITCHES:
        if environment.get(name, "").strip().lower() not in _ON | _OFF:
            yield f"{name} has {environment[name]!r}, which is neither 1 nor 0."
    for name in RATES:
        rate = environment.get(name, "")
        if rate and not _RATE.fullmatch(rate):
            yield f"{name} has {rate!r}, which is no rate such as 60/min."
    if environment.get("ADMIN_SECOND_FACTOR", "optional") not in SECOND_FACTORS:
        yield f"ADMIN_SECOND_FACTOR is none of {', '.join(SECOND_FACTORS)}."
    try:
        networks(environment.get("ADMIN_ALLOWED_ADDRESSES", ""))
    except ValueError as error:
        yield f"ADMIN_ALLOWED_ADDRESSES cannot be read: {error}."


def _number(text: str) -> int:
    """Read a whole number; what is none is less than all that are allowed."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else -1


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
    for host in _list(environment, "ALLOWED_HOSTS"):
        if host in {"*", "."}:
            yield "ALLOWED_HOSTS allows every host."
        elif host.startswith(".") and "." not in host[1:]:
            yield f"ALLOWED_HOSTS has {host!r}, which allows every host under a top level."
    for name in ("CORS_ALLOWED_ORIGINS", "CSRF_TRUSTED_ORIGINS"):
        for origin in _list(environment, name):
            parts = urlsplit(origin)
            if "*" in origin or not parts.hostname or parts.scheme not in {"http", "https"}:
                yield f"{name} has {origin!r}, which is not one origin."
            elif parts.scheme == "http" and parts.hostname not in _HERE:
                yield f"{name} has {origin!r}, which is not reached by HTTPS."
    if environment.get("SENTRY_DSN") and find_spec("sentry_sdk") is None:
        yield "SENTRY_DSN needs the packages of requirements/sentry.txt."
    client = urlsplit(environment.get("CLIENT_URL", "https://client"))
    if not client.hostname or client.scheme not in {"http", "https"}:
        yield "CLIENT_URL is not the address of a website."
    elif client.scheme == "http" and client.hostname not in _HERE:
        yield "CLIENT_URL is not reached by HTTPS."
    database = environment.get("DATABASE_URL", "")
    if database and urlsplit(database).scheme not in {"postgres", "postgresql"}:
        yield "DATABASE_URL is not the address of a PostgreSQL server."
    redis = environment.get("REDIS_URL", "")
    if redis and urlsplit(redis).scheme not in {"redis", "rediss", "unix"}:
        yield "REDIS_URL is not the address of a Redis server."


def _flaws_of_mail(environment: Mapping[str, str]) -> Iterator[str]:
    address = environment.get("EMAIL_URL", "")
    # Others would show links that change passwords to who reads the log, or send nothing.
    if address and urlsplit(address).scheme not in SENDING:
        yield f"EMAIL_URL begins with none of {', '.join(f'{name}://' for name in SENDING)}."


def _flaws_of_the_pool(environment: Mapping[str, str]) -> Iterator[str]:
    threads = _number(environment.get("WEB_THREADS", "8"))
    if threads > _number(environment.get("DATABASE_POOL_MAX", "8")):
        yield "WEB_THREADS is more than DATABASE_POOL_MAX: threads would wait for each other."


def _list(environment: Mapping[str, str], name: str) -> list[str]:
    return [part.strip() for part in environment.get(name, "").split(",") if part.strip()]


def _is_on(text: str) -> bool:
    return text.strip().lower() in _ON


if __name__ == "__main__":
    exit_if_unfit(os.environ)
