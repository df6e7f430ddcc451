"""Links sent by e-mail, with `uid` and `token` in the query, and how they are checked."""

from http import HTTPStatus
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from booking_site.api.converters import MAX_ID
from booking_site.api.errors import DomainError


class LinkInvalid(DomainError):
    """The link was already used, has expired, or is for something else."""

    code = "link_invalid"
    status = HTTPStatus.BAD_REQUEST
    message = _("This link is invalid or has expired. Please request a new one.")


class ResetTokens(PasswordResetTokenGenerator):
    """Tokens for one password reset: whatever revokes the user's tokens revokes these too."""

    key_salt = "accounts.links.ResetTokens"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{super()._make_hash_value(user, timestamp)}{user.token_version}"


class ConfirmationTokens(PasswordResetTokenGenerator):
    """Tokens for one e-mail address. They can be used twice, as people click links twice."""

    key_salt = "accounts.links.ConfirmationTokens"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{user.pk} {user.email} {timestamp}"


class ClaimTokens(PasswordResetTokenGenerator):
    """Tokens that claim the orders of one guest, valid until the guest's address changes."""

    key_salt = "accounts.links.ClaimTokens"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{user.pk} {user.token_version} {user.contact_email} {timestamp}"


reset_tokens = ResetTokens()
confirmation_tokens = ConfirmationTokens()
claim_tokens = ClaimTokens()


def reset_link(user: User) -> str:
    return _link("reset-password", user, reset_tokens)


def confirmation_link(user: User) -> str:
    return _link("confirm-email", user, confirmation_tokens)


def claim_link(user: User) -> str:
    return _link("claim-orders", user, claim_tokens)


def user_of_link(uid: str) -> User:
    """Return the user of the link, active or not. Raise `LinkInvalid`."""
    if not (uid.isascii() and uid.isdecimal() and int(uid) <= MAX_ID):
        raise LinkInvalid
    user = User.objects.filter(pk=int(uid)).first()
    if user is None:
        raise LinkInvalid
    return user


def _link(page: str, user: User, tokens: PasswordResetTokenGenerator) -> str:
    query = urlencode({"uid": user.pk, "token": tokens.make_token(user)})
    return f"{settings.CLIENT_URL.rstrip('/')}/{page}?{query}"
