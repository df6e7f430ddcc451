"""Ensures that a write has at most one effect per `Idempotency-Key`.

The key's record is committed together with the effect, so a crash leaves both or neither, and
no state "in progress" is ever stored. Two requests with the same key queue for the user's row,
and the second finds the record of the first. This follows
draft-ietf-httpapi-idempotency-key-header; like Stripe's API v2, it does not record refusals.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

from django.db import Error, OperationalError, connection
from django.utils.translation import gettext_lazy as _

from accounts.authentication import IS_ACTIVE, Caller
from accounts.services import LOCK_CALLER, LockedCaller, locked_caller
from accounts.tokens import TokenRevoked
from booking_site.api.errors import DomainError
from booking_site.postgres.connection import waiting_until
from booking_site.postgres.pipeline import (
    Call,
    CommitUnknown,
    Rows,
    Statement,
    execute,
    execute_with_commit,
    failed_statement,
)
from bookings import replays
from bookings.replays import KeyScope, StoredAnswer
from bookings.transactions import LOCK_TIMEOUT, in_transaction, sqlstate


class KeyReused(DomainError):
    """The key has been used for something else."""

    code = "idempotency_key_reused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("This Idempotency-Key was used for another purchase. Send a new one.")


class KeyInProgress(DomainError):
    """Another request with this key is still running; retry with the same key."""

    code = "idempotency_key_in_progress"
    message = _("This purchase is still in progress. Please try again in a moment.")
    retry_after = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a write, and whether it is a replay."""

    scope: KeyScope
    stored: StoredAnswer
    replayed: bool


class Decision(NamedTuple):
    """The JSON-ready body of a 201, and the statements that write its effect."""

    body: Any
    writes: Sequence[Call]


class Work(Protocol):
    """A write that must have at most one effect per key."""

    def reads(self) -> Sequence[Call]:
        """Return the calls whose rows `decide` needs. They run once the user's row is locked."""

    def decide(self, user: LockedCaller, rows: Sequence[Rows]) -> Decision:
        """Decide by the rows of `reads`. An error rolls back, and is not recorded."""


def fingerprint(operation: str, body: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an operation and a validated, normalised body."""
    canonical = json.dumps([operation, body], sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def run(
    *, caller: Caller, operation: str, key: str, request: Mapping[str, Any], work: Work
) -> Answer:
    """Do the work, or return the recorded answer if it has been done for this key.

    `request` is the validated, normalised body. One durable transaction locks the user's row,
    looks up the key's record, runs the work and records the exact text of its answer.

    Raise `TokenRevoked`, `KeyReused`, `KeyInProgress`, `CommitUnknown`, or an error of the work.
    """
    scope = KeyScope(caller.id, operation, key)
    asked = fingerprint(operation, request)
    copy = replays.find(scope)
    if copy and _is_recorded(caller, scope, copy):
        return _replay(scope, copy, asked)
    answer: Answer | None = None

    def attempt() -> Answer:
        nonlocal answer
        answer = None
        try:
            callers, records, *rows = execute(
                LOCK_CALLER(**caller.claims), FIND(**scope._asdict()), *work.reads()
            )
        except OperationalError as error:
            if failed_statement(error) is LOCK_CALLER and sqlstate(error) == LOCK_TIMEOUT:
                raise KeyInProgress from error
            raise
        user = locked_caller(callers)
        for record in records:
            return _replay(scope, StoredAnswer(*record), asked)
        body, writes = work.decide(user, rows)
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        stored = StoredAnswer(asked, HTTPStatus.CREATED.value, text, user.now)
        execute_with_commit(*writes, _STORE(**scope._asdict(), **stored._asdict()))
        answer = Answer(scope, stored, replayed=False)
        return answer

    try:
        return in_transaction(attempt)
    except CommitUnknown as unknown:
        if answer is None:  # a replay; the record that it found may be lost in a failover
            raise
        with waiting_until(unknown.deadline):
            return _settle(answer)


FIND = Statement("""
    SELECT fingerprint, status, body, created_at FROM idempotency_records
     WHERE user_id = %(user_id)s AND operation = %(operation)s AND key = %(key)s
""")
_STORE = Statement("""
    INSERT INTO idempotency_records (user_id, operation, key, fingerprint, status, body, created_at)
    VALUES (%(user_id)s, %(operation)s, %(key)s, %(fingerprint)s, %(status)s, %(body)s,
            %(created_at)s)
""")
# Whether PostgreSQL has the record that was copied to Redis; no row if the token was revoked.
_HAS_RECORD = Statement(
    lambda: (
        f"""
    SELECT EXISTS (
        SELECT FROM idempotency_records
         WHERE user_id = %(user_id)s AND operation = %(operation)s AND key = %(key)s
           AND created_at = %(created_at)s)
      FROM ({IS_ACTIVE.compiled.sql}) AS caller
"""  # noqa: S608 - SQL of our own
    )
)
# Writes to the WAL only, so that COMMIT waits for the standby like that of a booking.
_WRITE_LOG = Statement("SELECT pg_logical_emit_message(true, '', '')")


def _is_recorded(caller: Caller, scope: KeyScope, copy: StoredAnswer) -> bool:
    """Return whether PostgreSQL has the record, which a restore may have lost.

    Raise `TokenRevoked` if the caller's token was revoked.
    """
    row = _HAS_RECORD.row(**caller.claims | scope._asdict(), created_at=copy.created_at)
    if row is None:
        raise TokenRevoked
    return bool(row[0])


def _replay(scope: KeyScope, record: StoredAnswer, asked: str) -> Answer:
    if record.fingerprint != asked:
        raise KeyReused
    return Answer(scope, record, replayed=True)


def _settle(answer: Answer) -> Answer:
    """Look up once, on a new connection, whether the lost COMMIT of the answer took effect.

    A missing record proves nothing: the old backend may be about to commit. A record that
    exists could still be lost in a failover, so the transaction that reads it also writes:
    its COMMIT then waits until both are replicated. If the record differs, our transaction
    was rolled back and a retry of the client succeeded elsewhere. Raise `CommitUnknown`.
    """

    def find() -> StoredAnswer:
        records, _ = execute(FIND(**answer.scope._asdict()), _WRITE_LOG())
        for record in records:
            return StoredAnswer(*record)
        raise CommitUnknown("The key has no record.")

    try:
        connection.close()
        stored = in_transaction(find)
    except Error as error:
        raise CommitUnknown("The outcome could not be looked up.") from error
    replay = _replay(answer.scope, stored, answer.stored.fingerprint)
    return answer if stored == answer.stored else replay
