"""Checks the environment variables, and reports all errors at once.

Without Django: the servers call it before there are settings.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from email.errors import ObsoleteHeaderDefect
from email.message import EmailMessage
from email.utils import parseaddr
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import combinations
from urllib.parse import SplitResult, urlsplit

REQUIRED = (
    "SECRET_KEY",
    "JWT_SIGNING_KEY",
    "ALLOWED_HOSTS",
    "DATABASE_URL",
    "REDIS_URL",
    "CLIENT_URL",
)
KEYS = ("SECRET_KEY", "JWT_SIGNING_KEY", "JWT_NEXT_KEY", "JWT_PREVIOUS_KEY", "METRICS_TOKEN")
# Parts of the secrets that compose.yaml, the Dockerfile and the settings publish.
PUBLISHED_SECRETS = ("compose-only", "only-for-collecting-the-static-files", "development-only")
MIN_KEY_BYTES = 32
MIN_DIFFERENT_CHARACTERS = 10
# Whole numbers, and the minimum of each.
NUMBERS = {
    "ACCESS_TOKEN_MINUTES": 1,
    "ARCHIVE_AFTER_DAYS": 0,
    "AUDIT_RETENTION_DAYS": 1,
    "CANCELLATION_CUTOFF_MINUTES": 0,
    "DATABASE_POOL_MAX": 1,
    "DATABASE_POOL_MIN": 0,
    "HOLD_MAX_MINUTES": 1,
    "HOLD_MINUTES": 1,
    # 0 would let statements wait indefinitely.
    "COMMIT_TIMEOUT_MS": 1,
    "IDLE_IN_TRANSACTION_TIMEOUT_MS": 1,
    "LIVE_CONNECTIONS": 1,
    "LIVE_PORT": 0,
    "LIVE_STREAMS_PER_ADDRESS": 1,
    "LOCK_TIMEOUT_MS": 1,
    "STATEMENT_TIMEOUT_MS": 1,
    # 0 would allow any number of guesses at passwords.
    "LOGIN_FAILURES_PER_ACCOUNT": 1,
    "LOGIN_FAILURES_PER_ADDRESS": 1,
    "LOGIN_LOCK_MINUTES": 1,
    "MAIL_LINK_HOURS": 1,
    "MAX_HELD_SEATS_PER_USER": 1,
    "MAX_SEATS_PER_ORDER": 1,
    "NUM_PROXIES": 0,
    "PORT": 0,
    "REFRESH_GRACE_SECONDS": 0,
    # The replica is measured four times per period.
    "REPLICA_MAX_LAG_MS": 100,
    "WALK_IN_RETENTION_DAYS": 0,
    "WEB_CONCURRENCY": 1,
    "WEB_GRACEFUL_SECONDS": 1,
    "WEB_THREADS": 1,
}
# The time to connect to each address of PostgreSQL's host. libpq treats 1 as 2.
CONNECT_SECONDS = 2
# The maximums of lifetimes and timeouts in production.
MAXIMUMS = {
    "ACCESS_TOKEN_MINUTES": 7 * 24 * 60,
    # PostgreSQL cannot subtract more than its time has, about 6,700 years.
    "ARCHIVE_AFTER_DAYS": 100 * 365,
    "AUDIT_RETENTION_DAYS": 100 * 365,
    "CANCELLATION_CUTOFF_MINUTES": 365 * 24 * 60,
    "COMMIT_TIMEOUT_MS": 5_000,
    "HOLD_MAX_MINUTES": 24 * 60,
    "HOLD_MINUTES": 24 * 60,
    "IDLE_IN_TRANSACTION_TIMEOUT_MS": 60_000,
    "LOCK_TIMEOUT_MS": 60_000,
    "LOGIN_LOCK_MINUTES": 24 * 60,
    "MAIL_LINK_HOURS": 7 * 24,
    "REFRESH_GRACE_SECONDS": 60,
    "REPLICA_MAX_LAG_MS": 60_000,
    "STATEMENT_TIMEOUT_MS": 60_000,
    "WALK_IN_RETENTION_DAYS": 100 * 365,
}
# Rate limits and their defaults; an empty value removes the limit.
RATES = {
    # Per address.
    "THROTTLE_GUEST": "20/hour",
    "THROTTLE_LOGIN": "60/min",
    "THROTTLE_MAIL_LINK": "30/hour",
    "THROTTLE_REGISTER": "20/hour",
    # Per e-mail address or user.
    "THROTTLE_BOOKING": "60/min",
    "THROTTLE_EXPORT": "20/hour",
    "THROTTLE_HOLD": "60/min",
    "THROTTLE_MAIL": "5/hour",
    # Per address, across all users there.
    "THROTTLE_BOOKING_ADDRESS": "300/min",
    "THROTTLE_HOLD_ADDRESS": "300/min",
    # Public lists and seat maps, per address and server process.
    "THROTTLE_READ": "1200/min",
    # All other calls, per user (without a token, per address) and server process.
    "THROTTLE_CALL": "600/min",
}
SWITCHES = (
    "BOOKING_MAILS",
    "DATABASE_PREPARE",
    "DEVELOPMENT",
    "EMAIL_CONFIRMATION_REQUIRED",
    "HSTS_INCLUDE_SUBDOMAINS",
    "HSTS_PRELOAD",
    "TRIAL",
)
SENDING = ("smtp", "smtp+tls", "smtp+ssl", "smtps")
SECOND_FACTORS = ("off", "optional", "required")
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
SENTINEL_URL = (
    r"redis\+sentinel://(?P<login>([^@/]*@)?)(?P<addresses>[^,:/@]+:[0-9]+(,[^,:/@]+:[0-9]+)*)"
    r"/(?P<service>[\w.-]+)(?P<rest>(/[0-9]+)?(\?.*)?)"
)
CUSTOMER_BITS = 64  # the prefix of an IPv6 address that accounts.client_address uses

_RATE = re.compile(r"[1-9][0-9]*/(s|sec|second|m|min|minute|h|hour|d|day)")
_LOCAL = {"localhost", "127.0.0.1", "::1", "[::1]"}
_ON = {"1", "true", "yes", "on", "y", "ok"}
_OFF = {"", "0", "false", "no", "off", "n"}


def validation_errors(environment: Mapping[str, str]) -> str:
    """Return a title and one line for each error in the environment; "" without errors."""
    if _is_on(environment.get("DEVELOPMENT", "")):
        title, found = "The environment is invalid", list(_invalid_values(environment))
    else:
        title, found = "The environment is not safe for production", production_errors(environment)
    lines = (f"\n- {error}" for error in found)
    return f"{title} (see .env.example):{''.join(lines)}" if found else ""


def exit_if_invalid(environment: Mapping[str, str]) -> None:
    """End the process with the errors of the environment, if any, without a traceback."""
    if text := validation_errors(environment):
        sys.exit(text)


def production_errors(environment: Mapping[str, str]) -> list[str]:
    """Return a sentence for everything that is missing, invalid or unsafe for production."""
    return [
        *(f"{name} is missing." for name in REQUIRED if not environment.get(name)),
        *_invalid_values(environment),
        *_key_errors(environment),
        *_address_errors(environment),
        *_mail_errors(environment),
        *_pool_errors(environment),
        *_lifetime_errors(environment),
        *(_trial_errors if _is_on(environment.get("TRIAL", "")) else _local_errors)(environment),
    ]


def networks(text: str) -> list[IPv4Network | IPv6Network]:
    """Parse networks or addresses, separated by commas. Raise ValueError."""
    found = [ip_network(part.strip()) for part in text.split(",") if part.strip()]
    for network in found:
        if network.version == 6 and network.prefixlen > CUSTOMER_BITS:
            raise ValueError(f"{network} is narrower than /{CUSTOMER_BITS}")
    return found


def _invalid_values(environment: Mapping[str, str]) -> Iterator[str]:
    for name, least in NUMBERS.items():
        if name in environment and _number(environment[name]) < least:
            value = environment[name]
            yield f"{name} must be a whole number of at least {least}, not {value!r}."
    seconds = environment.get("DATABASE_POOL_TIMEOUT_SECONDS", "1")
    if not _seconds(seconds):
        yield f"DATABASE_POOL_TIMEOUT_SECONDS must be a number of seconds, not {seconds!r}."
    for name in SWITCHES:
        if environment.get(name, "").strip().lower() not in _ON | _OFF:
            yield f"{name} must be 1 or 0, not {environment[name]!r}."
    for name in RATES:
        rate = environment.get(name, "")
        if rate and not _RATE.fullmatch(rate):
            yield f"{name} must be a rate such as 60/min, not {rate!r}."
    if environment.get("ADMIN_SECOND_FACTOR", "optional") not in SECOND_FACTORS:
        yield f"ADMIN_SECOND_FACTOR must be one of {', '.join(SECOND_FACTORS)}."
    try:
        networks(environment.get("ADMIN_ALLOWED_ADDRESSES", ""))
    except ValueError as error:
        yield f"ADMIN_ALLOWED_ADDRESSES is invalid: {error}."
    if environment.get("MAIL_FROM") and not _is_sender(environment["MAIL_FROM"]):
        yield (
            "MAIL_FROM must be one address, with or without a name. Quote a name with a"
            ' character such as , or : and write the address in ASCII: "Rex, Royal"'
            " <tickets@cinema.example>."
        )


def _is_sender(text: str) -> bool:
    """Return whether the text is one ASCII address, alone or after a name, as in a From header."""
    message = EmailMessage()
    try:
        message["From"] = text
    except ValueError:  # a line break
        return False
    sender = message["From"]
    if not all(isinstance(defect, ObsoleteHeaderDefect) for defect in sender.defects):
        return False
    match sender.groups:
        case [group] if group.display_name is None:
            (address,) = group.addresses
            return bool(address.domain and address.addr_spec.isascii())
    return False


def _number(text: str) -> int:
    """Return the whole number, or -1, which is less than any minimum, for anything else."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else -1


def _seconds(text: str) -> float:
    """Return the number, or 0.0 for anything else."""
    return float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else 0.0


def _key_errors(environment: Mapping[str, str]) -> Iterator[str]:
    keys = {name: environment[name] for name in KEYS if environment.get(name)}
    for name, key in keys.items():
        if len(key.encode()) < MIN_KEY_BYTES:
            yield f"{name} is shorter than {MIN_KEY_BYTES} bytes."
        if len(set(key)) < MIN_DIFFERENT_CHARACTERS:
            yield f"{name} has fewer than {MIN_DIFFERENT_CHARACTERS} different characters."
    for name, other in combinations(keys, 2):
        if keys[name] == keys[other]:
            yield f"{name} and {other} are the same."


def _address_errors(environment: Mapping[str, str]) -> Iterator[str]:
    if _is_on(environment.get("DEBUG", "")):
        yield "DEBUG is on: it would show settings and data to strangers."
    for host in _list(environment, "ALLOWED_HOSTS"):
        if host in {"*", "."}:
            yield "ALLOWED_HOSTS allows every host."
        elif host.startswith(".") and "." not in host[1:]:
            yield f"ALLOWED_HOSTS contains {host!r}, which allows every host of a top-level domain."
    for name in ("CORS_ALLOWED_ORIGINS", "CSRF_TRUSTED_ORIGINS"):
        for origin in _list(environment, name):
            parts = _parts(origin)
            if "*" in origin or not parts.hostname or parts.scheme not in {"http", "https"}:
                yield f"{name} contains {origin!r}, which is not an origin."
            elif parts.scheme == "http" and parts.hostname not in _LOCAL:
                yield f"{name} contains {origin!r}, which does not use HTTPS."
    if environment.get("SENTRY_DSN") and find_spec("sentry_sdk") is None:
        yield "SENTRY_DSN needs the packages of requirements/sentry.txt."
    for name in ("CLIENT_URL", "LIVE_URL"):
        site = _parts(environment.get(name) or "https://site")
        if not site.hostname or site.scheme not in {"http", "https"}:
            yield f"{name} is not the address of a website."
        elif site.scheme == "http" and not _is_local(site.hostname):
            yield f"{name} does not use HTTPS."
    for name in ("DATABASE_URL", "DATABASE_DIRECT_URL", "REPLICA_URL"):
        database = environment.get(name, "")
        parts = _parts(database)
        if database and parts.scheme not in {"postgres", "postgresql"}:
            yield f"{name} is not the address of a PostgreSQL server."
        elif "," in (parts.hostname or "") and "target_session_attrs=" not in parts.query:
            yield (
                f"{name} has several hosts, so connections may lead to a standby: use the address"
                " of a proxy that finds the primary, or add ?target_session_attrs=read-write."
            )
    redis = environment.get("REDIS_URL", "")
    is_server = redis.startswith(REDIS_SCHEMES) and _parts(redis).scheme
    if redis and not is_server and not re.fullmatch(SENTINEL_URL, redis):
        yield "REDIS_URL is not the address of a Redis server."


def _mail_errors(environment: Mapping[str, str]) -> Iterator[str]:
    address = environment.get("EMAIL_URL", "")
    # Other schemes send nothing, and some write links that change passwords to the log.
    if address and _parts(address).scheme not in SENDING:
        yield f"EMAIL_URL must start with one of {', '.join(f'{name}://' for name in SENDING)}."


def _pool_errors(environment: Mapping[str, str]) -> Iterator[str]:
    threads = _number(environment.get("WEB_THREADS", "8"))
    if threads > _number(environment.get("DATABASE_POOL_MAX", "8")):
        yield "WEB_THREADS exceeds DATABASE_POOL_MAX: threads would wait for each other."
    if 0 < _seconds(environment.get("DATABASE_POOL_TIMEOUT_SECONDS", "")) <= 2 * CONNECT_SECONDS:
        yield (
            f"DATABASE_POOL_TIMEOUT_SECONDS must exceed {2 * CONNECT_SECONDS}, the time in which a"
            " connection to the second address of a host fails."
        )


def _lifetime_errors(environment: Mapping[str, str]) -> Iterator[str]:
    for name, most in MAXIMUMS.items():
        if _number(environment.get(name, "")) > most:
            yield f"{name} must be at most {most}, not {environment[name]}."


def _trial_errors(environment: Mapping[str, str]) -> Iterator[str]:
    """Report public hosts: the values that a trial accepts are not safe there."""
    if public := set(_list(environment, "ALLOWED_HOSTS")) - _LOCAL:
        yield f"TRIAL is on, but ALLOWED_HOSTS contains {', '.join(sorted(public))}."


def _local_errors(environment: Mapping[str, str]) -> Iterator[str]:
    """Report values that only a trial on one machine may use."""
    for name in (*KEYS, "DATABASE_URL", "DATABASE_DIRECT_URL", "REPLICA_URL", "REDIS_URL"):
        if any(part in environment.get(name, "") for part in PUBLISHED_SECRETS):
            yield f"{name} contains a secret that everybody can read in this repository."
    if _is_local(_parts(environment.get("CLIENT_URL", "")).hostname):
        yield "CLIENT_URL leads to this machine: links in e-mails would not work anywhere else."
    if _is_local(parseaddr(environment.get("MAIL_FROM", ""))[1].rpartition("@")[2]):
        yield "MAIL_FROM is an address of this machine, which mail servers refuse."
    mail_server = _parts(environment.get("EMAIL_URL", ""))
    if mail_server.scheme == "smtp" and not _is_local(mail_server.hostname):
        yield "EMAIL_URL sends e-mails unencrypted: use smtp+tls:// or smtp+ssl://."


def _parts(address: str) -> SplitResult:
    """Return the parts of an address; empty ones if it is invalid.

    An error would quote the password, for example one with a / that is not written as %2F.
    """
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - raises ValueError
    except ValueError:
        return urlsplit("")
    return parts


def _is_local(host: str | None) -> bool:
    """Return whether the host, or the domain of an e-mail address, is this machine."""
    name = (host or "").lower().strip("[].")
    if name.rpartition(".")[2] in {"localhost", "localdomain"}:
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _list(environment: Mapping[str, str], name: str) -> list[str]:
    return [part.strip() for part in environment.get(name, "").split(",") if part.strip()]


def _is_on(text: str) -> bool:
    return text.strip().lower() in _ON


if __name__ == "__main__":
    exit_if_invalid(os.environ)
