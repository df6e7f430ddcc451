"""The form with which staff log in to the back office."""

from unfold.forms import AuthenticationForm

from accounts.brute_force import locked_meanwhile
from accounts.models import User


class LoginForm(AuthenticationForm):  # type: ignore[misc] # unfold is untyped
    def confirm_login_allowed(self, user: User) -> None:
        super().confirm_login_allowed(user)
        if locked_meanwhile(self.request, user):
            raise self.get_invalid_login_error()  # axes' middleware replaces the response
