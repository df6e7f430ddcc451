"""The caller of an API request: the Bearer token, and the permissions that rely on it."""

import time
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import User
from accounts.tokens import AccessToken, TokenExpired, TokenInvalid, TokenRevoked
from booking_site.api.errors import DomainError
from booking_site.postgres.pipeline import Param, Statement

if TYPE_CHECKING:  # while it is imported, views load the default classes, which are here
    from rest_framework.views import APIView


class NotAuthenticated(DomainError):
    """The call needs a token and has none."""

    code = "not_authenticated"
    status = HTTPStatus.UNAUTHORIZED
    message = _("Please log in first.")


@dataclass(frozen=True)
class Caller:
    """The `request.user` of API calls: the claims of the token, read without a query.

    `ActiveUser`, or `lock_caller` in the transaction of a write, checks that they still hold.
    """

    id: int
    token_version: int
    sign_in_id: UUID | None = None
    is_authenticated: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False

    @property
    def pk(self) -> int:
        return self.id

    @property
    def claims(self) -> dict[str, Any]:
        """The arguments of `User.objects.current`, and of statements built from it."""
        return {
            "user_id": self.id,
            "token_version": self.token_version,
            "sign_in_id": self.sign_in_id,
        }


class BearerAuthentication(BaseAuthentication):
    """Reads the token. A bad one raises `TokenInvalid` or `TokenExpired`."""

    def authenticate(self, request: Request) -> tuple[Caller, str] | None:
        # Reading `request.headers` would copy all of them. If the header is not ASCII, granian
        # passes on an empty one.
        header: str | None = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        scheme, _, encoded = header.partition(" ")
        if scheme.lower() != "bearer":
            raise TokenInvalid
        encoded = encoded.strip(" \t")
        caller, expires_at = _read(
            encoded,
            settings.JWT_SIGNING_KEY,
            settings.JWT_NEXT_KEY,
            settings.JWT_PREVIOUS_KEY,
            settings.JWT_ISSUER,
        )
        if expires_at <= time.time():
            raise TokenExpired
        return caller, encoded

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class OptionalBearerAuthentication(BearerAuthentication):
    """For public reads and logging out: a token that cannot be used counts as none.

    Clients may send an old one, or one of the system that this site has replaced.
    """

    def authenticate(self, request: Request) -> tuple[Caller, str] | None:
        try:
            return super().authenticate(request)
        except (TokenInvalid, TokenExpired):
            return None


# A client sends the same token with every request, and its claims cannot change, so it is
# verified once. Expiry and the user's state are checked every time.
@lru_cache(maxsize=4096)
def _read(encoded: str, *keys_and_issuer: str) -> tuple[Caller, int]:
    """Return the caller and the end of a token's time. Raise `TokenInvalid` or `TokenExpired`."""
    token = AccessToken.read(encoded)
    caller = Caller(token.user_id, token.token_version, token.sign_in_id)
    return caller, int(token["exp"])


def caller_of(request: Request) -> Caller:
    """Return the caller. Raise `NotAuthenticated` if the request has no token."""
    if not isinstance(request.user, Caller):
        raise NotAuthenticated
    return request.user


class HasToken(BasePermission):
    """A valid token, without a query: for writes whose transaction begins with `lock_caller`."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        caller_of(request)
        return True


# The arguments of `User.objects.current` in a `Statement`.
CLAIMS = {name: Param(name) for name in ("user_id", "token_version", "sign_in_id")}
# It runs with nearly every read.
IS_ACTIVE = Statement(lambda: User.objects.current(**CLAIMS).order_by().values_list("id"))


def require_active(caller: Caller) -> None:
    """Raise `TokenRevoked` if the user is gone or inactive, or has revoked the token."""
    if IS_ACTIVE.row(**caller.claims) is None:
        raise TokenRevoked


class ActiveUser(BasePermission):
    """A valid token of an active user who has not revoked it. Takes one query."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        require_active(caller_of(request))
        return True


class ActiveUserForReads(ActiveUser):
    """`ActiveUser` for reads. Writes lock the caller's row and check it there."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if request.method in ("GET", "HEAD"):
            return super().has_permission(request, view)
        caller_of(request)
        return True
