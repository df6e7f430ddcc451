"""The form with which staff set the password of another user."""

from django.db import transaction
from unfold.forms import AdminPasswordChangeForm

from accounts import services
from accounts.models import User


class NewPasswordForm(AdminPasswordChangeForm):  # type: ignore[misc] # unfold is untyped
    """Sets the password, or none, as the API does: tokens end, and the owner gets an e-mail."""

    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit=False)
        with transaction.atomic():
            services.save_password(user)
        return user
