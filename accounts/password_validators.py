"""Django's rule for similar passwords, with a message that can be translated as a whole."""

from django.contrib.auth import password_validation
from django.utils.translation import gettext as _


class UserAttributeSimilarityValidator(password_validation.UserAttributeSimilarityValidator):
    """Django's own message contains the name of a field, which is English."""

    def get_error_message(self) -> str:
        return _("The password is too similar to your name or e-mail address.")
