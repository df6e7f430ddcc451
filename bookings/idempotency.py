"""One `Idempotency-Key`, at most one effect: the way of every write that must not repeat.

The key's record commits in the same transaction as its effect, so a crash
leaves both or neither, and nothing "in progress" is ever stored. Two requests
with one key queue at the user's row; the second is refused, by what the first
has done or by the record's constraint, and then finds the record. After
draft-ietf-httpapi-idempotency-key-header; that refusals are not kept is how
Stripe's API v2 does it.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from django.db import Error, InterfaceError, OperationalError, connection
from rest_framework.renderers import JSONRenderer

from accounts.authentication import Caller, require_active
from accounts.models import User
from accounts.services import lock_caller
from booking_site.api.errors import DomainError
from booking_site.postgres.statements import Call, Statement, ask, sent_ahead
from bookings import replays
from bookings.services.first_look import first_look
from bookings.transactions import (
    DEADLOCK,
    LOCK_TIMEOUT,
    SERIALIZATION_FAILURE,
    in_transaction,
    sqlstate,
)

# Visible ASCII without `,` `"` `\`: two headers arrive joined by a comma.
_PLAIN_KEY = r"[!#-+\--\[\]-~]{1,255}"
KEY_PATTERN = rf'^(?:{_PLAIN_KEY}|"{_PLAIN_KEY}")$'
_KEY = re.compile(KEY_PATTERN)


class KeyMissing(DomainError):
    """The call needs an Idempotency-Key header."""

    code = "idempotency_key_missing"
    status = HTTPStatus.BAD_REQUEST

    def __init__(self) -> None:
        super().__init__("Send an Idempotency-Key header: a new random value for each purchase.")


class KeyInvalid(DomainError):
    """The Idempotency-Key header is not a key."""

    code = "idempotency_key_invalid"
    status = HTTPStatus.BAD_REQUEST

    def __init__(self) -> None:
        super().__init__(
            "An Idempotency-Key is 1 to 255 visible ASCII characters "
            "without comma, quotation mark and backslash."
        )


class KeyReused(DomainError):
    """The key has been used for something else."""

    code = "idempotency_key_reused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another purchase. Send a new one.")


class KeyInProgress(DomainError):
    """A request with the key is still being worked on; retry with the same key."""

    code = "idempotency_key_in_progress"

    def __init__(self) -> None:
        super().__init__(
            "This purchase is still being worked on. Please try again in a moment.", retry_after=1
        )


class OutcomeUnknown(DomainError):
    """The connection was lost while committing; a retry with the same key settles it."""

    code = "outcome_unknown"
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(
            "We could not learn whether your purchase went through. "
            "Please try again: with the same key nothing is sold twice.",
            retry_after=1,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a write: status, JSON text, and whether it had been given before."""

    status: int
    body: str
    replayed: bool


def read_key(header: str | None) -> str:
    """Return the key that the header names, without quotes. Raise `KeyMissing`, `KeyInvalid`."""
    if header is None:
        raise KeyMissing
    if not _KEY.fullmatch(header):
        raise KeyInvalid
    return header.strip('"')


def fingerprint(operation: str, body: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a validated, normalised body: equal wishes have equal fingerprints."""
    canonical = json.dumps([operation, body], sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def run(
    *,
    caller: Caller,
    operation: str,
    key: str,
    wish: Mapping[str, Any],
    work: Callable[[User], Any],
) -> Answer:
    """Do the work once for the key, or return what was answered to it before.

    `wish` is the validated, normalised body. If it names seats, or a hold with
    seats, of which some are taken, it is refused before anything is locked.
    `work` gets the locked user, inside the one durable transaction, and
    returns the JSON-ready body of the 201; what it raises rolls back and is
    not kept.

    Raise `KeyReused`, `KeyInProgress`, `OutcomeUnknown`, `TokenRevoked`,
    `SeatUnavailable`, `HoldAlreadyBooked`, `HoldExpired`, and whatever `work` raises.
    """
    name = replays.Name(caller.id, operation, key)
    asked = fingerprint(operation, wish)
    if copy := replays.find(name):
        require_active(caller)
        return _replay(copy, asked)
    look = first_look(caller=caller, name=name, wish=wish)
    if look.record:
        return _replay(look.record, asked)
    look.require_free()
    ahead = partial(look.calls_of_purchase, user_id=caller.id, wish=wish)
    try:
        return _work_once(caller=caller, name=name, asked=asked, work=work, ahead=ahead)
    except (KeyInProgress, OutcomeUnknown):
        raise  # each is about the key, and says all that can be known now
    except DomainError:
        # Perhaps for its own effect: the same was sent twice at once, and the other was first.
        record = first_look(caller=caller, name=name, wish={}).record
        if record is None:
            raise
        return _replay(record, asked)


def _work_once(
    *,
    caller: Caller,
    name: replays.Name,
    asked: str,
    work: Callable[[User], Any],
    ahead: Callable[[], Sequence[Call]],
) -> Answer:
    """Do the work and record the answer in one transaction. Raise `KeyReused` if one was.

    `ahead` says what will be asked first, the caller's lock included.
    """
    committing: replays.Record | None = None
    is_first = True

    def attempt() -> Answer:
        nonlocal committing, is_first
        committing = None
        # What makes it start anew may be that what was looked at has changed.
        calls = ahead() if is_first else []
        is_first = False
        with sent_ahead(*calls):
            body = JSONRenderer().render(work(_lock(caller))).decode()
        record = replays.Record(asked, HTTPStatus.CREATED, body)
        _store(name, record)
        committing = record
        return Answer(record.status, record.body, replayed=False)

    try:
        answer = in_transaction(attempt)
    except (OperationalError, InterfaceError) as error:
        if committing is None or sqlstate(error) in {SERIALIZATION_FAILURE, DEADLOCK}:
            raise
        answer = _settle(name, committing)
    if not answer.replayed:
        replays.keep(name, replays.Record(asked, answer.status, answer.body))
    return answer


def _lock(caller: Caller) -> User:
    try:
        return lock_caller(caller=caller)
    except OperationalError as error:
        if sqlstate(error) == LOCK_TIMEOUT:
            raise KeyInProgress from error
        raise


_FIND = Statement("""
    SELECT fingerprint, status, body FROM idempotency_records
     WHERE user_id = %s AND operation = %s AND key = %s
""")
_STORE = Statement("""
    INSERT INTO idempotency_records (user_id, operation, key, fingerprint, status, body)
    VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (user_id, operation, key) DO NOTHING RETURNING true
""")


def _stored(name: replays.Name) -> replays.Record | None:
    found = ask(Call(_FIND, name))
    return replays.Record(*found[0]) if found else None


def _store(name: replays.Name, record: replays.Record) -> None:
    if not ask(Call(_STORE, [*name, *record])):
        raise KeyReused


def _replay(record: replays.Record, asked: str) -> Answer:
    if record.fingerprint != asked:
        raise KeyReused
    return Answer(record.status, record.body, replayed=True)


def _settle(name: replays.Name, mine: replays.Record) -> Answer:
    """Look up once, on a new connection, whether the COMMIT of `mine` took effect.

    Not found proves nothing: the old backend may be about to commit. Another
    record is that of the same call on another server, after ours was rolled back.
    """
    try:
        connection.close()
        record = _stored(name)
    except Error as error:
        raise OutcomeUnknown from error
    if record is None:
        raise OutcomeUnknown
    if record.fingerprint != mine.fingerprint:  # the key was used again since
        raise KeyReused
    return Answer(record.status, record.body, replayed=record != mine)
