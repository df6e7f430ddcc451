"""What happens to people: one function per verb, each one transaction."""

from accounts.authentication import Caller
from accounts.models import User
from accounts.tokens import TokenRevoked


def lock_caller(*, caller: Caller) -> User:
    """Return the caller's row, locked until the transaction ends.

    Comes first in the lock order of every write: it makes one user's requests
    queue, and it stands in for the authentication query. Raise `TokenRevoked`
    when the user is gone, inactive or has revoked the token. Only the columns
    id, name, email, is_active and token_version are loaded.
    """
    user = (
        User.objects.filter(pk=caller.id)
        .only("name", "email", "is_active", "token_version")
        # no_key: foreign-key checks of other inserts need not wait for us.
        .select_for_update(of=("self",), no_key=True)
        .first()
    )
    if user is None or not user.is_active or user.token_version != caller.token_version:
        raise TokenRevoked
    return user
