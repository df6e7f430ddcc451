"""The rule for passwords whose sentence by Django has a part in English."""

from django.contrib.auth import password_validation
from django.utils.translation import gettext as _


class UserAttributeSimilarityValidator(password_validation.UserAttributeSimilarityValidator):
    """Django's rule. Its sentence names the field, which has an English name."""

    def get_error_message(self) -> str:
        return _("The password is too similar to your name or e-mail address.")
