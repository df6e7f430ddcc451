"""The shapes of the accounts calls."""

import unicodedata

from rest_framework import serializers

from booking_site.fields import UtcDateTimeField
from booking_site.parsing import StrictCharField, StrictEmailField, StrictSerializer

LONGEST_PASSWORD = 1024
# A token of ours has about 400 characters.
LONGEST_TOKEN = 4096


def printable_name(name: str) -> None:
    """Refuse a name that shows as nothing, or that breaks a line of a mail or a list."""
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise serializers.ValidationError("Please leave out tabs, line breaks and the like.")
    if not any(character.isalnum() for character in name):
        raise serializers.ValidationError("A name needs at least one letter.")


class NameField(StrictCharField):
    def __init__(self) -> None:
        super().__init__(max_length=200, validators=[printable_name])


class PasswordField(StrictCharField):
    def __init__(self) -> None:
        super().__init__(
            max_length=LONGEST_PASSWORD,
            trim_whitespace=False,
            style={"input_type": "password"},
        )


class RegisterSerializer(StrictSerializer):
    name = NameField()
    email = StrictEmailField(max_length=254)
    password = PasswordField()


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
    new_password = PasswordField()


class AccountSerializer(serializers.Serializer[object]):
    """A person and how to come back as that person."""

    id = serializers.IntegerField(source="user.id")
    name = serializers.CharField(source="user.name")
    email = serializers.EmailField(source="user.email")
    token = serializers.CharField(source="tokens.access")
    refresh = serializers.CharField(source="tokens.refresh")


class TokensSerializer(serializers.Serializer[object]):
    token = serializers.CharField(source="access")
    refresh = serializers.CharField()


class MeSerializer(serializers.Serializer[object]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    email = serializers.EmailField()
    created_at = UtcDateTimeField()
