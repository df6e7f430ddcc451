"""Request and response bodies under /api/auth."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from booking_site.api.fields import UtcDateTimeField
from booking_site.api.parsing import Shape, StrictCharField, StrictEmailField, StrictSerializer
from booking_site.languages import LANGUAGES
from booking_site.typed_text import clean_text, refuse_link

LONGEST_NAME = 200
LONGEST_PASSWORD = 1024
# Our tokens have about 400 characters.
LONGEST_TOKEN = 4096
EXPIRES_IN = "Seconds until `token` expires."
TOKEN_OF_LINK = "The `token` from the link."  # noqa: S105 - a help text
# The characters up to U+FFFF that `clean_text` accepts, without joiners. Ranges, because few
# clients can negate the names of categories.
SHOWABLE = (
    r"[^\x00-\x1f\x7f-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"
    r"\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]"
)


@extend_schema_field(
    {
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_NAME,
        # As `refuse_link` and `clean_text`: no link, a visible character, and no control or format
        # characters or separators.
        "pattern": rf"^(?!.*://){SHOWABLE}*[\p{{L}}\p{{N}}\p{{P}}\p{{S}}]{SHOWABLE}*$",
    }
)
class NameField(StrictCharField):
    """A name on one line. Surrounding spaces are removed after it is validated."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=LONGEST_NAME, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        name = clean_text(super().to_internal_value(data))
        refuse_link(name)
        return name

    def run_validation(self, data: Any = serializers.empty) -> str:
        name: str = super().run_validation(data)
        return name.strip()


class PasswordField(StrictCharField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=LONGEST_PASSWORD,
            trim_whitespace=False,
            style={"input_type": "password"},
            **kwargs,
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


class GuestSerializer(StrictSerializer):
    name = NameField()
    email = StrictEmailField(max_length=254)


class LoginSerializer(StrictSerializer):
    email = StrictEmailField(max_length=254)
    password = PasswordField()


class RefreshSerializer(StrictSerializer):
    refresh = StrictCharField(max_length=LONGEST_TOKEN, trim_whitespace=False)


class ProfileSerializer(StrictSerializer):
    """A new name, a new language or both."""

    name = NameField(required=False)
    language = serializers.ChoiceField(
        LANGUAGES, required=False, help_text="The language of e-mails about the account."
    )
    shapes = (Shape(("name",), ("language",)), Shape(("language",)))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            sentence = _("Send a name, a language or both.")
            raise serializers.ValidationError({"name": [sentence], "language": [sentence]})
        return attrs


class CloseAccountSerializer(StrictSerializer):
    password = PasswordField(
        required=False, help_text="Required, except for guests, who have no password."
    )


class ChangePasswordSerializer(StrictSerializer):
    current_password = PasswordField()
    new_password = NewPasswordField()


class ResetPasswordSerializer(StrictSerializer):
    email = StrictEmailField(max_length=254)


class LinkSerializer(StrictSerializer):
    """The user id from the query of a link sent by e-mail."""

    uid = StrictCharField(max_length=20, trim_whitespace=False)


class ConfirmResetSerializer(LinkSerializer):
    """The link's token, as `reset_token` or as `token`.

    The validated data has `reset_token`.
    """

    reset_token = StrictCharField(max_length=100, trim_whitespace=False, required=False)
    token = StrictCharField(
        max_length=100, trim_whitespace=False, required=False, help_text=TOKEN_OF_LINK
    )
    new_password = PasswordField()
    shapes = (
        Shape(("uid", "reset_token", "new_password")),
        Shape(("uid", "token", "new_password")),
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "token" not in attrs and "reset_token" not in attrs:
            sentence = _("Send the token of the link, as reset_token or as token.")
            raise serializers.ValidationError({"reset_token": [sentence], "token": [sentence]})
        if "token" in attrs:
            if "reset_token" in attrs:
                sentence = _("Send reset_token or token, not both.")
                raise serializers.ValidationError({"token": [sentence]})
            attrs["reset_token"] = attrs.pop("token")
        return attrs


class ConfirmEmailSerializer(LinkSerializer):
    token = StrictCharField(max_length=100, trim_whitespace=False, help_text=TOKEN_OF_LINK)


class ClaimOrdersSerializer(LinkSerializer):
    token = StrictCharField(max_length=100, trim_whitespace=False)


class AcceptedSerializer(serializers.Serializer[object]):
    message = serializers.CharField()


class GuestAnswerSerializer(serializers.Serializer[object]):
    """A guest, and a token to act as that guest."""

    id = serializers.IntegerField(source="user.id")
    name = serializers.CharField(source="user.name")
    email = serializers.EmailField(source="user.readable_email")
    token = serializers.CharField(source="tokens.access")
    expires_in = serializers.IntegerField(source="tokens.expires_in", help_text=EXPIRES_IN)


class AccountSerializer(GuestAnswerSerializer):
    """A user, and tokens to act as that user."""

    refresh = serializers.CharField(source="tokens.refresh")


class TokensSerializer(serializers.Serializer[object]):
    token = serializers.CharField(source="access")
    refresh = serializers.CharField()
    expires_in = serializers.IntegerField(help_text=EXPIRES_IN)


class MeSerializer(serializers.Serializer[object]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    email = serializers.EmailField(source="readable_email")
    is_guest = serializers.BooleanField(
        help_text="A guest has no password. An account can claim a guest's orders."
    )
    email_confirmed_at = UtcDateTimeField(allow_null=True)
    language = serializers.ChoiceField(
        LANGUAGES, help_text="The language of e-mails about the account."
    )
    created_at = UtcDateTimeField()
