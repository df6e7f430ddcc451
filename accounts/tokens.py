"""Access and refresh tokens: their claims, their keys, and how they rotate.

Claims of both: `sub` (user id, as a string), `ver` (`users.token_version`), `sid` (the sign-in,
whose `token_id` is the `jti` of its only valid refresh token), `jti`, `token_type`, `iat`, `exp`,
`iss`, `aud`. Access tokens issued by older releases have no `sid`.

No token is stored: the sign-in has the id and time of the newest pair, from which the same bytes
are signed again.
"""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple, Self
from uuid import UUID, uuid4, uuid5

import jwt
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Least, Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import (
    ExpiredTokenError,
    TokenBackendError,
    TokenError,
)
from rest_framework_simplejwt.tokens import Token
from rest_framework_simplejwt.utils import datetime_to_epoch

from accounts.models import SignIn, User
from booking_site.api.converters import MAX_ID
from booking_site.api.errors import DomainError


class TokenInvalid(DomainError):
    """The token is malformed, forged or not meant for this call."""

    code = "token_invalid"
    status = HTTPStatus.UNAUTHORIZED
    message = _("This login is not valid. Please log in again.")


class TokenExpired(DomainError):
    """The token is too old."""

    code = "token_expired"
    status = HTTPStatus.UNAUTHORIZED
    message = _("Your login has expired. Please log in again.")


class TokenRevoked(DomainError):
    """The token was revoked, used up, or its user is gone."""

    code = "token_revoked"
    status = HTTPStatus.UNAUTHORIZED
    message = _("Your login has ended. Please log in again.")


class Tokens(NamedTuple):
    access: str
    refresh: str
    expires_in: int  # seconds until the access token expires


class RotatingKeyBackend(TokenBackend):
    """Signs with the current key and accepts the next and the previous one as well.

    The token checks `exp` after everything else, so an expired token is valid in every
    other respect.
    """

    def __init__(self) -> None:
        super().__init__(
            algorithm="HS256",
            signing_key=settings.JWT_SIGNING_KEY,
            issuer=settings.JWT_ISSUER,
            audience=settings.JWT_AUDIENCE,
        )

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        keys = settings.JWT_SIGNING_KEY, settings.JWT_NEXT_KEY, settings.JWT_PREVIOUS_KEY
        for key in filter(None, keys):
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=["HS256"],
                    issuer=settings.JWT_ISSUER,
                    audience=settings.JWT_AUDIENCE,
                    options={
                        "verify_exp": False,
                        # Another server's clock may be ahead of ours.
                        "verify_iat": False,
                        "require": ["sub", "ver", "jti", "iat", "exp", "iss", "aud"],
                    },
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidTokenError as error:
                raise TokenBackendError("Token is invalid") from error
        raise TokenBackendError("Token is signed with an unknown key")


class SiteToken(Token):
    def get_token_backend(self) -> TokenBackend:
        return RotatingKeyBackend()

    @classmethod
    def for_caller(
        cls,
        *,
        user_id: int,
        token_version: int,
        sign_in_id: UUID | None = None,
        token_id: UUID | None = None,
        issued_at: datetime | None = None,
    ) -> Self:
        """Return the token with this id and time of issue; by default a new one."""
        token = cls()
        token["sub"] = str(user_id)
        token["ver"] = token_version
        if sign_in_id:
            token["sid"] = str(sign_in_id)
        token["jti"] = (token_id or uuid4()).hex
        token.set_iat(at_time=issued_at)
        token.set_exp(from_time=issued_at)
        return token

    @classmethod
    def read(cls, encoded: str) -> Self:
        """Return the verified token. Raise `TokenInvalid` or `TokenExpired`."""
        try:
            return cls(encoded)  # type: ignore[arg-type]
        except ExpiredTokenError as error:
            raise TokenExpired from error
        except TokenError as error:
            raise TokenInvalid from error

    def verify(self) -> None:
        self.verify_token_type()
        self.verify_claims()
        if self.payload["exp"] <= datetime_to_epoch(self.current_time):
            raise ExpiredTokenError("Token is expired")

    def verify_claims(self) -> None:
        subject = self.payload["sub"]
        if not (subject.isascii() and subject.isdecimal() and int(subject) <= MAX_ID):
            raise TokenError("Token has an unreadable subject")
        for claim in ("ver", "exp"):
            if type(self.payload[claim]) is not int:
                raise TokenError(f"Token has an unreadable claim {claim}")
        try:
            _ = self.sign_in_id
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            raise TokenError("Token belongs to no sign-in") from error

    @property
    def user_id(self) -> int:
        return int(self["sub"])

    @property
    def token_version(self) -> int:
        return int(self["ver"])

    @property
    def sign_in_id(self) -> UUID | None:
        return UUID(self["sid"]) if "sid" in self.payload else None


class AccessToken(SiteToken):
    token_type = "access"  # noqa: S105 (a kind of token, not a secret)

    # A property, as settings are read at call time.
    @property
    def lifetime(self) -> timedelta:  # type: ignore[override]
        return settings.ACCESS_TOKEN_LIFETIME


class RefreshToken(SiteToken):
    token_type = "refresh"  # noqa: S105 (same)

    @property
    def lifetime(self) -> timedelta:  # type: ignore[override]
        return settings.REFRESH_TOKEN_LIFETIME

    def verify_claims(self) -> None:
        super().verify_claims()
        try:
            _ = self.token_id
        except (ValueError, AttributeError, TypeError) as error:
            raise TokenError("Token has an unreadable id") from error

    @property
    def sign_in_id(self) -> UUID:
        return UUID(self["sid"])

    @property
    def token_id(self) -> UUID:
        return UUID(self["jti"])


def issue_tokens(user: User) -> Tokens:
    """Create a sign-in for the user and return its first pair of tokens."""
    now = timezone.now()
    sign_in = SignIn.objects.create(
        user=user,
        token_id=uuid4(),
        issued_at=now,
        expires_at=now + settings.REFRESH_TOKEN_LIFETIME,
    )
    return _pair(sign_in, token_version=user.token_version)


def rotate_tokens(encoded: str) -> Tokens:
    """Exchange a refresh token for a new pair; the old one is then invalid.

    For `REFRESH_GRACE_SECONDS` the old token returns the same new pair: two tabs of a browser may
    refresh at once, and a client may lose a response. Raise `TokenInvalid`, `TokenExpired` or
    `TokenRevoked`. An old token that is used later has been copied, so the whole sign-in ends.
    """
    old = RefreshToken.read(encoded)
    with transaction.atomic(durable=True):
        # The user's row is locked first, so that a password change comes before or after, and
        # one of two simultaneous uses of a token waits for the other.
        user_is_current = (
            User.objects.current(user_id=old.user_id, token_version=old.token_version)
            .select_for_update(of=("self",), no_key=True)
            .values_list("pk", flat=True)
            .first()
        )
        live = SignIn.objects.filter(pk=old.sign_in_id, user_id=old.user_id, ended_at__isnull=True)
        sign_in = _rotate(live, old.token_id) if user_is_current else None
        if sign_in is None:
            live.update(ended_at=Now())
    if sign_in is None:  # raised here, after the end of the sign-in is committed
        raise TokenRevoked
    return _pair(sign_in, token_version=old.token_version)


def _rotate(live: QuerySet[SignIn], old: UUID) -> SignIn | None:
    """Replace the token, or accept it in its grace period; return the sign-in, otherwise None."""
    live = live.filter(created_at__gt=Now() - settings.SIGN_IN_LIFETIME)
    rotated = live.filter(token_id=old).update(
        token_id=uuid4(),
        replaced_token_id=old,
        issued_at=Now(),
        expires_at=Least(
            Now() + settings.REFRESH_TOKEN_LIFETIME, F("created_at") + settings.SIGN_IN_LIFETIME
        ),
    )
    successors = live.filter(replaced_token_id=old)
    if not rotated:
        grace = timedelta(seconds=settings.REFRESH_GRACE_SECONDS)
        successors = successors.filter(issued_at__gt=Now() - grace)
    return successors.first()


def end_sign_in(encoded: str) -> None:
    """End the sign-in of the refresh token. Repeatable.

    Raise `TokenInvalid` if the token was never valid.
    """
    try:
        token = RefreshToken.read(encoded)
    except TokenExpired:
        return
    live = SignIn.objects.filter(pk=token.sign_in_id, user_id=token.user_id, ended_at__isnull=True)
    with transaction.atomic(durable=True):
        live.update(ended_at=Now())


def _pair(sign_in: SignIn, *, token_version: int) -> Tokens:
    """Return the current pair of the sign-in: the same one for every call."""
    refresh, access = (
        kind.for_caller(
            user_id=sign_in.user_id,
            token_version=token_version,
            sign_in_id=sign_in.pk,
            token_id=token_id,
            issued_at=sign_in.issued_at,
        )
        for kind, token_id in (
            (RefreshToken, sign_in.token_id),
            (AccessToken, uuid5(sign_in.token_id, AccessToken.token_type)),
        )
    )
    for token in (refresh, access):
        token["exp"] = min(token["exp"], datetime_to_epoch(sign_in.expires_at))
    now = datetime_to_epoch(access.current_time)
    return Tokens(access=str(access), refresh=str(refresh), expires_in=access["exp"] - now)
