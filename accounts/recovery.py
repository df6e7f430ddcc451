"""Resetting a password and confirming an e-mail address, by links sent by e-mail."""

from django.db import transaction
from django.db.models.functions import Coalesce, Now

from accounts.authentication import Caller
from accounts.guests import claim_orders_of_address
from accounts.links import LinkInvalid, confirmation_tokens, reset_tokens, user_of_link
from accounts.mails import send_confirmation, send_password_reset
from accounts.models import User
from accounts.services import current_user, require_strong_password, save_password


def request_password_reset(*, email: str) -> None:
    """Send a link for a new password, if the account exists.

    The worker looks up the account, so the answer takes the same time for every address.
    """
    with transaction.atomic(durable=True):
        send_password_reset.enqueue(email=User.objects.clean_email(email))


def reset_password(*, uid: str, reset_token: str, new_password: str) -> None:
    """Set a new password, which revokes all tokens and the link itself.

    It also confirms the e-mail address. Raise `LinkInvalid` or `WeakPassword`.
    """
    user = user_of_link(uid)
    if not reset_tokens.check_token(user, reset_token):
        raise LinkInvalid
    require_strong_password(password=new_password, user=user, field="new_password")
    user.set_password(new_password)  # slow, so before the transaction
    with transaction.atomic(durable=True):
        before = _lock(user)
        # Checked again under the lock: of two simultaneous uses, one succeeds.
        if not reset_tokens.check_token(before, reset_token):
            raise LinkInvalid
        save_password(user)
        _confirm(user)


def confirm_email(*, uid: str, token: str) -> None:
    """Mark the user's e-mail address as confirmed. Raise `LinkInvalid`."""
    user = user_of_link(uid)
    with transaction.atomic(durable=True):
        if not confirmation_tokens.check_token(_lock(user), token):
            raise LinkInvalid
        _confirm(user)


def resend_confirmation(*, caller: Caller) -> None:
    """Send the link again, unless the address is confirmed. Raise `TokenRevoked`.

    Guests confirm their address by claiming their orders.
    """
    user = current_user(caller=caller)
    if user.email_confirmed_at is None and not user.is_guest:
        with transaction.atomic(durable=True):
            send_confirmation.enqueue(user_id=user.pk)


def _lock(user: User) -> User:
    locked = User.objects.select_for_update(of=("self",), no_key=True)
    found = locked.filter(pk=user.pk, is_active=True).first()
    if found is None:
        raise LinkInvalid
    return found


def _confirm(user: User) -> None:
    """Mark the address as confirmed, and claim the orders of guests who gave it."""
    claim_orders_of_address(user)
    User.objects.filter(pk=user.pk).update(email_confirmed_at=Coalesce("email_confirmed_at", Now()))
