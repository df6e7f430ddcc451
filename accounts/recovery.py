"""What a mailed link may do: set a new password, confirm an e-mail address."""

from axes.models import AccessAttempt
from django.db import transaction
from django.db.models.functions import Coalesce, Now

from accounts.authentication import Caller
from accounts.links import LinkInvalid, confirmation_tokens, owner_of, reset_tokens
from accounts.mails import send_confirmation, send_password_reset
from accounts.models import User
from accounts.services import current_user, require_strong_password, revoke_tokens


def request_password_reset(*, email: str) -> None:
    """Have a link sent, if there is such an account.

    Whether there is one is looked up by the worker, so the answer takes the
    same time for every address.
    """
    send_password_reset.enqueue(email=User.objects.clean_email(email))


def reset_password(*, uid: str, reset_token: str, new_password: str) -> None:
    """Set a new password by a mailed link; every token so far is dead, and so is the link.

    The address is confirmed by it. Raise `LinkInvalid` or `WeakPassword`.
    """
    user = owner_of(uid)
    if not reset_tokens.check_token(user, reset_token):
        raise LinkInvalid
    require_strong_password(password=new_password, user=user, field="new_password")
    user.set_password(new_password)  # slow, so before the transaction
    with transaction.atomic(durable=True):
        before = _lock(user)
        # Again under the lock: of two uses at once, one counts.
        if not reset_tokens.check_token(before, reset_token):
            raise LinkInvalid
        user.save(update_fields=["password", "updated_at"])
        _confirm(user)
        revoke_tokens(user_id=user.pk)
        # Whoever guessed at the old password shall not lock out its owner.
        AccessAttempt.objects.filter(username=user.email).delete()


def confirm_email(*, uid: str, token: str) -> None:
    """Note that the person reads mails to their address. Raise `LinkInvalid`."""
    user = owner_of(uid)
    with transaction.atomic(durable=True):
        if not confirmation_tokens.check_token(_lock(user), token):
            raise LinkInvalid
        _confirm(user)


def resend_confirmation(*, caller: Caller) -> None:
    """Have the link sent again, unless the address is confirmed. Raise `TokenRevoked`."""
    user = current_user(caller=caller)
    if user.email_confirmed_at is None:
        send_confirmation.enqueue(user_id=user.pk)


def _lock(user: User) -> User:
    locked = User.objects.select_for_update(of=("self",), no_key=True)
    found = locked.filter(pk=user.pk, is_active=True).first()
    if found is None:
        raise LinkInvalid
    return found


def _confirm(user: User) -> None:
    User.objects.filter(pk=user.pk).update(email_confirmed_at=Coalesce("email_confirmed_at", Now()))
