"""Guests, who buy without a password, and accounts that claim the orders of guests."""

from collections.abc import Collection
from http import HTTPStatus

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from accounts.authentication import Caller
from accounts.links import LinkInvalid, claim_tokens, user_of_link
from accounts.models import REMOVED_DOMAIN, User
from accounts.services import SignedIn, anonymize, lock_caller
from accounts.tokens import issue_tokens
from booking_site.api.errors import DomainError


class AccountNeeded(DomainError):
    """Guests cannot do this: it needs an account."""

    code = "account_needed"
    status = HTTPStatus.FORBIDDEN
    message = _("Please log in to your account, or open one, to add these orders to it.")


def create_guest(*, name: str, email: str, language: str) -> SignedIn:
    """Create a guest, to whom e-mails go at this address and in this language, and sign in."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval(pg_get_serial_sequence('users', 'id'))")
            (guest_id,) = cursor.fetchone()
        user = User(
            pk=guest_id,
            name=name,
            email=f"guest-{guest_id}{REMOVED_DOMAIN}",
            contact_email=email,
            language=language,
        )
        user.set_unusable_password()
        user.save(force_insert=True)
        return SignedIn(user, issue_tokens(user))


def claim_orders(*, caller: Caller, uid: str, token: str) -> None:
    """Move a guest's orders to the caller's account, with a link sent to the guest's address.

    The guest is anonymized, so the link works once. Raise `AccountNeeded`, `LinkInvalid` or
    `TokenRevoked`.
    """
    guest_id = user_of_link(uid).pk
    with transaction.atomic(durable=True):
        account = lock_caller(caller=caller)
        if account.is_guest:
            raise AccountNeeded
        guest = _locked(pk=guest_id, is_active=True).first()
        if guest is None or not claim_tokens.check_token(guest, token):
            raise LinkInvalid
        _move_orders([guest], account=account)


def claim_orders_of_address(account: User) -> None:
    """Move the orders of all guests with the address that the account has just confirmed.

    The caller has locked the account's row: accounts are locked before guests, to avoid deadlocks.
    """
    address = User.objects.clean_email(account.email)
    if found := list(_locked(contact_email=address, is_active=True)):
        _move_orders(found, account=account)


def close_guests(guests: QuerySet[User]) -> int:
    """Erase the data of these guests, each in a transaction, and return how many there were."""
    closed = 0
    for guest_id in list(guests.order_by().values_list("pk", flat=True)):
        with transaction.atomic(durable=True):
            _locked(pk=guest_id).first()
            # Read again under the lock: the guest may have bought something meanwhile.
            if guest := guests.filter(pk=guest_id).first():
                anonymize(guest)
                closed += 1
    return closed


def _locked(**conditions: object) -> QuerySet[User]:
    guests = User.objects.filter(contact_email__isnull=False, **conditions)
    return guests.order_by("pk").select_for_update(of=("self",), no_key=True)


def _move_orders(guests: Collection[User], *, account: User) -> None:
    import_string(settings.PURCHASE_MOVER)(
        guest_ids=[guest.pk for guest in guests], account_id=account.pk
    )
    for guest in guests:
        anonymize(guest)
