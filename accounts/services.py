"""Changes to accounts: one function per verb, each in one transaction."""

from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import audit
from accounts.authentication import CLAIMS, Caller
from accounts.brute_force import authenticate_within_limits, forget_failures
from accounts.mails import emails_of, mails_about, notify_owner, send_confirmation
from accounts.models import REMOVED_DOMAIN, SignIn, User
from accounts.tokens import TokenRevoked, Tokens, issue_tokens
from booking_site.api.errors import DomainError, violated_constraint
from booking_site.languages import DEFAULT_LANGUAGE, requested_language
from booking_site.postgres.pipeline import Rows, Statement

ONE_PER_EMAIL = {"user_one_per_email", "users_email_key"}
REGISTRATION_KEY_LIFETIME = timedelta(days=1)


class EmailTaken(DomainError):
    """There is already an account with this e-mail address."""

    code = "email_taken"
    status = HTTPStatus.BAD_REQUEST
    message = _("There is already an account with this e-mail address.")


class WeakPassword(DomainError):
    """The new password is too easy to guess."""

    code = "password_unfit"
    status = HTTPStatus.BAD_REQUEST


class PasswordWrong(DomainError):
    """The password given to confirm a change is not the caller's."""

    code = "password_wrong"
    status = HTTPStatus.BAD_REQUEST
    message = _("Incorrect password.")


class InvalidCredentials(DomainError):
    """No active account has this e-mail address and password."""

    code = "invalid_credentials"
    status = HTTPStatus.UNAUTHORIZED
    message = _("Incorrect e-mail address or password.")


class StaffAccount(DomainError):
    """Staff accounts cannot be removed."""

    code = "staff_account"
    message = _(
        "This account belongs to a member of staff. "
        "An administrator must revoke its staff access before it can be removed."
    )


class EmailUnconfirmed(DomainError):
    """The call needs a confirmed e-mail address."""

    code = "email_unconfirmed"
    status = HTTPStatus.FORBIDDEN
    message = _(
        "Please confirm your e-mail address first. Open the link in the e-mail we sent you."
    )


class SignedIn(NamedTuple):
    user: User
    tokens: Tokens
    replayed: bool = False


def register(
    *, request: HttpRequest, name: str, email: str, password: str, key: str | None = None
) -> SignedIn:
    """Create an account, sign in, and send the link that confirms the address.

    A retry with the same key, e-mail address and password within a day signs in again. Raise
    `WeakPassword`, `EmailTaken`, or, for a retry during a lockout, `TooManyAttempts`.
    """
    language = requested_language(request) or DEFAULT_LANGUAGE
    user = User(name=name, email=User.objects.clean_email(email), language=language)
    require_strong_password(password=password, user=user, field="password")
    user.set_password(password)  # slow, so before the transaction
    if key is not None:
        user.registration_key_hash = registration_key_hash(key, user)
    try:
        with transaction.atomic(durable=True):
            user.save(force_insert=True)
            send_confirmation.enqueue(user_id=user.pk)
            return SignedIn(user, issue_tokens(user))
    except IntegrityError as error:
        if violated_constraint(error) not in ONE_PER_EMAIL:
            raise
        if key is not None and _is_registered_with(key, email=user.email):
            with suppress(InvalidCredentials):
                signed_in = log_in(request=request, email=user.email, password=password)
                return signed_in._replace(replayed=True)
        raise EmailTaken(errors={"email": [EmailTaken.message]}) from error


def registration_key_hash(key: str, user: User) -> str:
    """Return a hash of an `Idempotency-Key` and the password hash: a new password ends the key."""
    return salted_hmac(
        "accounts.registration", f"{user.password} {key}", algorithm="sha256"
    ).hexdigest()


def _is_registered_with(key: str, *, email: str) -> bool:
    """Return whether the account was registered with this key, less than a day ago."""
    recent = User.objects.filter(created_at__gt=Now() - REGISTRATION_KEY_LIFETIME)
    user = recent.filter(email=email).first()
    return user is not None and constant_time_compare(
        user.registration_key_hash or "", registration_key_hash(key, user)
    )


def delete_registration_keys(*, batch: int) -> int:
    """Delete the hashes of old registration keys, and return how many.

    Each statement is one transaction and changes up to `batch` rows.
    """
    expired = User.objects.filter(
        registration_key_hash__isnull=False, created_at__lte=Now() - REGISTRATION_KEY_LIFETIME
    )
    some = expired.order_by().values("pk")[:batch]
    total = 0
    while count := User.objects.filter(pk__in=some).update(registration_key_hash=None):
        total += count
    return total


def log_in(*, request: HttpRequest, email: str, password: str) -> SignedIn:
    """Sign in on one more device. Raise `InvalidCredentials` or `TooManyAttempts`.

    The request has the address, for the limits on guessing.
    """
    user = authenticate_within_limits(request=request, email=email, password=password)
    if user is None:
        raise InvalidCredentials
    with transaction.atomic(durable=True):
        return SignedIn(user, issue_tokens(user))


class LockedCaller(NamedTuple):
    """The columns of the caller's row that a purchase needs, locked."""

    email_confirmed_at: datetime | None
    contact_email: str | None
    language: str
    now: datetime  # PostgreSQL's clock when the statement began


def _locking(users: QuerySet[User]) -> QuerySet[User]:
    # no_key: foreign-key checks of other inserts don't wait for this lock.
    return users.order_by().select_for_update(of=("self",), no_key=True)


def _columns(users: QuerySet[User]) -> QuerySet[User, tuple[Any, ...]]:
    return users.order_by().annotate(now=Now()).values_list(*LockedCaller._fields)


LOCK_CALLER = Statement(lambda: _columns(_locking(User.objects.current(**CLAIMS))))
# The same columns, without a lock.
READ_CALLER = Statement(lambda: _columns(User.objects.current(**CLAIMS)))


def locked_caller(rows: Rows) -> LockedCaller:
    """Return what `LOCK_CALLER` or `READ_CALLER` has read. Raise as `lock_caller` does."""
    if not rows:
        raise TokenRevoked
    return LockedCaller(*rows[0])


def lock_caller(*, caller: Caller) -> User:
    """Return the caller's row, locked until the transaction ends.

    Every write takes this lock first, so the requests of one user queue. It also replaces the
    authentication query. Raise `TokenRevoked` if the user is gone, inactive or has revoked the
    token, or if its sign-in has ended. The password is not loaded.
    """
    user = _locking(User.objects.current(**caller.claims)).defer("password").first()
    if user is None:
        raise TokenRevoked
    return user


def current_user(*, caller: Caller) -> User:
    """Return the caller, without a lock. Raise `TokenRevoked` as `lock_caller` does."""
    user = User.objects.current(**caller.claims).defer("password").first()
    if user is None:
        raise TokenRevoked
    return user


def require_confirmed_email(user: User | LockedCaller) -> None:
    """Raise `EmailUnconfirmed` if purchases need a confirmed address and the user has none.

    Guests need none.
    """
    if not settings.EMAIL_CONFIRMATION_REQUIRED or user.contact_email is not None:
        return
    if user.email_confirmed_at is None:
        raise EmailUnconfirmed


def change_profile(*, caller: Caller, **fields: str) -> User:
    """Change the caller's `name`, `language` or both, and return the row."""
    with transaction.atomic(durable=True):
        user = lock_caller(caller=caller)
        for name, value in fields.items():
            setattr(user, name, value)
        user.save(update_fields=[*fields, "updated_at"])
    return user


def change_password(
    *, request: HttpRequest, caller: Caller, current_password: str, new_password: str
) -> None:
    """Replace the caller's password and revoke all tokens.

    Raise `PasswordWrong`, `WeakPassword`, `TooManyAttempts` or `TokenRevoked`.
    """
    user = _authenticated(request, caller, current_password, field="current_password")
    require_strong_password(password=new_password, user=user, field="new_password")
    user.set_password(new_password)
    with transaction.atomic(durable=True):
        # Checked again under the lock: any change of the password raises the token version.
        lock_caller(caller=caller)
        save_password(user)


def save_password(user: User) -> None:
    """Store the new password and do what it requires, within a transaction."""
    user.save(update_fields=["password", "updated_at"])
    finish_password_change(user)


def finish_password_change(user: User) -> None:
    """Revoke all tokens, delete failed logins and notify the owner, within a transaction.

    Wrong guesses of the old password must not slow or lock out the owner.
    """
    revoke_tokens(user_id=user.pk)
    forget_failures([user.email])
    notify_owner(user, "password")


def finish_email_change(user: User, *, former_email: str) -> None:
    """Do what a new address requires, within the transaction of the change.

    Revoke all tokens, delete failed logins with the former address, notify both addresses, and
    send the link that confirms the new one.
    """
    revoke_tokens(user_id=user.pk)
    forget_failures([former_email])
    notify_owner(user, "email", former_email=former_email)
    send_confirmation.enqueue(user_id=user.pk)


def close_account(*, request: HttpRequest, caller: Caller, password: str | None) -> None:
    """Remove the caller, who confirms with the password; guests have none.

    Raise `PasswordWrong`, `StaffAccount`, `TooManyAttempts` or `TokenRevoked`.
    """
    if password is not None:
        _authenticated(request, caller, password, field="password")
    elif not current_user(caller=caller).is_guest:
        raise PasswordWrong(errors={"password": [PasswordWrong.message]})
    with transaction.atomic(durable=True):
        anonymize(lock_caller(caller=caller))


def remove_person(*, user_id: int, actor: User | None = None) -> None:
    """Remove a user at their request, as staff. Repeatable.

    Raise `StaffAccount`, or User.DoesNotExist.
    """
    with transaction.atomic(durable=True):
        user = User.objects.select_for_update(of=("self",), no_key=True).get(pk=user_id)
        anonymize(user)
        audit.record(actor=actor, action="person_removed", subject=user)


def revoke_tokens(*, user_id: int) -> None:
    """Revoke all tokens of the user and end all sign-ins, within the transaction of the change."""
    # A trigger ends the sign-ins, as it does when a form or a command sets a password.
    User.objects.filter(pk=user_id).update(token_version=F("token_version") + 1)


def end_sign_ins(*, sign_in_ids: Collection[UUID], actor: User) -> int:
    """End these sign-ins as staff, with an audit entry per user; return how many were live."""
    with transaction.atomic(durable=True):
        live = SignIn.objects.filter(pk__in=sign_in_ids, ended_at__isnull=True)
        locked = live.order_by("pk").select_for_update(of=("self",), no_key=True)
        ended = list(locked.select_related("user"))
        SignIn.objects.filter(pk__in=[each.pk for each in ended]).update(ended_at=Now())
        for user, count in Counter(each.user for each in ended).items():
            audit.record(actor=actor, action="sign_ins_ended", subject=user, sign_ins=count)
    return len(ended)


def require_strong_password(*, password: str, user: User, field: str) -> None:
    """Raise `WeakPassword`, with the name of the field, if the password is easy to guess."""
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        raise WeakPassword(error.messages[0], errors={field: error.messages}) from error


def _authenticated(request: HttpRequest, caller: Caller, password: str, *, field: str) -> User:
    """Return the caller if the password is correct. Guesses count as failed logins."""
    email = current_user(caller=caller).email
    user = authenticate_within_limits(request=request, email=email, password=password)
    if user is None or user.pk != caller.id:
        raise PasswordWrong(errors={field: [PasswordWrong.message]})
    return user


def anonymize(user: User) -> None:
    """Erase personal data of the user, whose row is locked. Sales records are kept."""
    if user.is_staff or user.is_superuser:
        raise StaffAccount
    for remover in settings.PERSON_REMOVERS:
        import_string(remover)(user_id=user.pk)
    forget_failures(emails_of(user))
    user.known_addresses.all().delete()
    TOTPDevice.objects.filter(user=user).delete()
    audit.history_of(user).update(subject_name="Removed user")
    mails_about(user).delete()
    user.name = ""
    user.email = f"deleted-{user.pk}{REMOVED_DOMAIN}"
    user.contact_email = None
    user.email_confirmed_at = None
    user.registration_key_hash = None
    user.is_active = False
    user.last_login = None
    user.set_unusable_password()
    user.save()
    revoke_tokens(user_id=user.pk)
