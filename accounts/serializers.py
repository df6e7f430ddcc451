"""Request and response bodies under /api/auth."""

import unicodedata
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from booking_site.api.fields import UtcDateTimeField
from booking_site.api.parsing import StrictCharField, StrictEmailField, StrictSerializer

LONGEST_NAME = 200
LONGEST_PASSWORD = 1024
# Our tokens have about 400 characters.
LONGEST_TOKEN = 4096


def validate_name(name: str) -> None:
    """Refuse a name that is invisible or would break a line of an e-mail or a list."""
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise serializers.ValidationError("Remove tabs, line breaks and other control characters.")
    if not any(character.isalnum() for character in name):
        raise serializers.ValidationError("A name needs at least one letter or digit.")


@extend_schema_field(
    {
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_NAME,
        # As `validate_name`: no control character, and at least one letter or digit.
        "pattern": r"^[^\x00-\x1f\x7f-\x9f]*[\p{L}\p{N}][^\x00-\x1f\x7f-\x9f]*$",
    }
)
class NameField(StrictCharField):
    """A name on one line. Surrounding spaces are removed after it is validated."""

    def __init__(self) -> None:
        super().__init__(max_length=LONGEST_NAME, trim_whitespace=False, validators=[validate_name])

    def run_validation(self, data: Any = serializers.empty) -> str:
        name: str = super().run_validation(data)
        return name.strip()


class PasswordField(StrictCharField):
    def __init__(self) -> None:
        super().__init__(
            max_length=LONGEST_PASSWORD,
            trim_whitespace=False,
            style={"input_type": "password"},
        )


@extend_schema_field(
    {
        "type": "string",
        # The part of AUTH_PASSWORD_VALIDATORS that a pattern can express.
        "minLength": 8,
        "maxLength": LONGEST_PASSWORD,
        "pattern": r"^[^\x00]*[^\x000-9][^\x00]*$",
    }
)
class NewPasswordField(PasswordField):
    """A new password; `accounts.services` checks its strength."""


class RegisterSerializer(StrictSerializer):
    name = NameField()
    email = StrictEmailField(max_length=254)
    password = NewPasswordField()


class LoginSerializer(StrictSerializer):
    email = StrictEmailField(max_length=254)
    password = PasswordField()


class RefreshSerializer(StrictSerializer):
    refresh = StrictCharField(max_length=LONGEST_TOKEN, trim_whitespace=False)


class RenameSerializer(StrictSerializer):
    name = NameField()


class CloseAccountSerializer(StrictSerializer):
    password = PasswordField()


class ChangePasswordSerializer(StrictSerializer):
    current_password = PasswordField()
    new_password = NewPasswordField()


class ResetPasswordSerializer(StrictSerializer):
    email = StrictEmailField(max_length=254)


class LinkSerializer(StrictSerializer):
    """The user id from the query of a link sent by e-mail."""

    uid = StrictCharField(max_length=20, trim_whitespace=False)


class ConfirmResetSerializer(LinkSerializer):
    reset_token = StrictCharField(max_length=100, trim_whitespace=False)
    new_password = PasswordField()


class ConfirmEmailSerializer(LinkSerializer):
    token = StrictCharField(max_length=100, trim_whitespace=False)


class AcceptedSerializer(serializers.Serializer[object]):
    message = serializers.CharField()


class AccountSerializer(serializers.Serializer[object]):
    """A user, and tokens to act as that user."""

    id = serializers.IntegerField(source="user.id")
    name = serializers.CharField(source="user.name")
    email = serializers.EmailField(source="user.readable_email")
    token = serializers.CharField(source="tokens.access")
    refresh = serializers.CharField(source="tokens.refresh")


class TokensSerializer(serializers.Serializer[object]):
    token = serializers.CharField(source="access")
    refresh = serializers.CharField()


class MeSerializer(serializers.Serializer[object]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    email = serializers.EmailField(source="readable_email")
    email_confirmed_at = UtcDateTimeField(allow_null=True)
    created_at = UtcDateTimeField()
