"""Users (customers and staff), their sign-ins, and the audit trail."""

import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.indexes import GinIndex
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Exists, F, OuterRef, Value
from django.db.models.functions import Cast, Concat, Lower, Now, Random
from django.db.models.lookups import IsNull

from booking_site.email_address import CanonicalEmailField, canonical_email, readable_email
from booking_site.languages import DEFAULT_LANGUAGE, LANGUAGE_CODES, LANGUAGES
from booking_site.postgres.timestamped import Timestamped, TimestampedQuerySet
from booking_site.postgres.words import FoldedWords, words_beginning_with
from booking_site.typed_text import LineField, refuse_link

REMOVED_DOMAIN = "@invalid"  # reserved by RFC 2606, so no form accepts it
GUEST_EMAIL = Concat(Value("guest-"), Cast("id", models.CharField()), Value(REMOVED_DOMAIN))
NAME_WORDS = FoldedWords("name")
MOST_MATCHES = 50
# Below the largest integer, because it is raised later.
RANDOM_VERSION = Cast(Random() * Value(2.0**30), models.IntegerField())


class UserManager(BaseUserManager["User"]):
    def get_queryset(self) -> TimestampedQuerySet["User"]:
        return TimestampedQuerySet(self.model, using=self._db)

    def current(
        self, *, user_id: Any, token_version: Any, sign_in_id: Any = None
    ) -> TimestampedQuerySet["User"]:
        """The user of a token, unless the token is revoked or its sign-in has ended.

        Access tokens issued by older releases name no sign-in. The arguments are values or
        expressions.
        """
        users = self.get_queryset().filter(pk=user_id, is_active=True, token_version=token_version)
        wanted = Cast(sign_in_id, models.UUIDField())
        live = SignIn.objects.filter(pk=wanted, user=OuterRef("pk"), ended_at__isnull=True)
        return users.filter(Exists(live) | IsNull(wanted, True))

    def ids_matching(self, text: str) -> list[int]:
        """The ids of users whose address begins with the text, or whose name has its words.

        At most `MOST_MATCHES`. Read beforehand, they let PostgreSQL use the indexes of the tables
        that name users.
        """
        email = self.clean_email(text)
        found = models.Q(email__startswith=email) | models.Q(contact_email__startswith=email)
        if "@" not in text:
            found |= models.Q(words=words_beginning_with(text))
        # Without an order: PostgreSQL expects many matches of a single word, so to sort by address
        # it would read all users by the index of addresses.
        users = self.alias(words=NAME_WORDS).filter(found).order_by()
        return list(users.values_list("pk", flat=True)[:MOST_MATCHES])

    def create_user(
        self, *, name: str, email: str, password: str | None = None, **fields: Any
    ) -> "User":
        """Create a user with a hashed password; without one the account cannot log in."""
        user = self.model(name=name, email=self.clean_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, **fields: Any) -> "User":
        return self.create_user(**fields, is_staff=True, is_superuser=True)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=self.clean_email(username or ""))

    @staticmethod
    def clean_email(email: str) -> str:
        """Return the address as it is stored; an invalid one only trimmed and in lower case."""
        try:
            return canonical_email(email)
        except ValidationError:
            return email.strip().lower()


class User(AbstractBaseUser, PermissionsMixin, Timestamped):
    """A customer or a member of staff, identified by e-mail address.

    A guest is a customer without a password, whose `email` is `guest-<id>@invalid`. E-mails go to
    `contact_email`, which several guests may share.

    `token_version` is a claim in every token. It starts at a random number, so that the tokens of
    an account that a restore has lost are not valid for the account that gets its id. Raising it
    revokes all tokens, and a trigger of the database ends all sign-ins.
    """

    name = LineField(max_length=200, validators=[refuse_link])
    email = CanonicalEmailField(
        max_length=254,
        unique=True,
        error_messages={"unique": "There is already an account with this e-mail address."},
    )
    # Only guests have one. Null otherwise, so that few rows are in its indexes.
    contact_email = CanonicalEmailField(  # type: ignore[misc] # it is nullable, unlike `email`
        "e-mail of the guest", max_length=254, null=True
    )
    email_confirmed_at = models.DateTimeField(
        "e-mail confirmed", null=True, blank=True, editable=False
    )
    language = models.CharField(
        max_length=8,
        choices=LANGUAGES,
        default=DEFAULT_LANGUAGE,
        db_default=DEFAULT_LANGUAGE,
        help_text="The language of e-mails about the account.",
    )
    password = models.CharField("password", max_length=255, db_column="password_hash")
    is_active = models.BooleanField(
        "active",
        default=True,
        db_default=True,
        help_text="Switch off to lock this user out immediately, everywhere.",
    )
    is_staff = models.BooleanField(
        "staff", default=False, db_default=False, help_text="May log in to this back office."
    )
    is_superuser = models.BooleanField(
        "administrator",
        default=False,
        db_default=False,
        help_text="May do everything, without any role.",
    )
    token_version = models.PositiveIntegerField(db_default=RANDOM_VERSION, editable=False)
    # For a day after the registration. Null otherwise, so that few rows are in its index.
    registration_key_hash = models.CharField(  # noqa: DJ001
        max_length=64, null=True, editable=False
    )

    # Of the back office's OTPMiddleware: whether this session has verified a second factor.
    is_verified: Callable[[], bool]

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        db_table = "users"
        verbose_name = "user"
        ordering = ("email",)
        constraints = (
            # One account per address, however it is spelled.
            models.UniqueConstraint(Lower("email"), name="user_one_per_email"),
            models.CheckConstraint(
                condition=models.Q(~models.Q(email=GUEST_EMAIL), contact_email__isnull=True)
                | models.Q(
                    email=GUEST_EMAIL,
                    contact_email__isnull=False,
                    is_staff=False,
                    is_superuser=False,
                ),
                name="user_guest_has_contact_email",
            ),
            models.CheckConstraint(
                condition=models.Q(language__in=LANGUAGE_CODES), name="user_language_known"
            ),
        )
        indexes = (
            GinIndex(NAME_WORDS, name="user_by_folded_name"),
            # For the list of users, of which few are staff or inactive.
            models.Index(fields=["email"], condition=models.Q(is_staff=True), name="user_staff"),
            models.Index(
                fields=["email"], condition=models.Q(is_active=False), name="user_inactive"
            ),
            models.Index(
                fields=["created_at"],
                condition=models.Q(registration_key_hash__isnull=False),
                name="user_with_registration_key",
            ),
            models.Index(
                fields=["contact_email"],
                opclasses=["varchar_pattern_ops"],
                condition=models.Q(contact_email__isnull=False),
                name="user_by_contact_email",
            ),
            models.Index(
                fields=["created_at"],
                condition=models.Q(contact_email__isnull=False),
                name="user_guest_by_creation",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} <{self.readable_email}>" if self.name else "Removed user"

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """Every form that validates a user stores this spelling of the address."""
        return cls.objects.clean_email(username)

    def get_full_name(self) -> str:
        return self.name

    @property
    @admin.display(description="e-mail", ordering="email")
    def readable_email(self) -> str:
        return readable_email(self.mail_address)

    @property
    def mail_address(self) -> str:
        """The address to which e-mails go."""
        return self.contact_email or self.email

    @property
    def is_guest(self) -> bool:
        return self.contact_email is not None

    @property
    def is_removed(self) -> bool:
        return self.email.endswith(REMOVED_DOMAIN) and not self.is_guest

    def set_password(self, raw_password: str | None) -> None:
        super().set_password(raw_password)
        if self.pk is not None:
            # Every form that sets a password then saves the row, which revokes all tokens.
            self.token_version = F("token_version") + 1

    def check_password(self, raw_password: str | None) -> bool:
        """Return whether the password is correct. A hash with old parameters is replaced."""
        before = self.password

        def upgrade(raw_password: str) -> None:
            # Only if the hash is still the checked one: the password may have changed meanwhile.
            after = make_password(raw_password)
            if type(self).objects.filter(pk=self.pk, password=before).update(password=after):
                self.password = after  # a session that begins now belongs to the stored hash

        return check_password(raw_password, before, upgrade)


class SignIn(models.Model):
    """One login on one device, and the family of its refresh tokens.

    Only the newest token (`token_id`) is valid, and for a few seconds the one before it, which
    returns the newest again. If an older one is used, it has been copied, so the sign-in ends.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_ins")
    token_id = models.UUIDField()
    replaced_token_id = models.UUIDField(null=True, blank=True)
    issued_at = models.DateTimeField(
        null=True, blank=True, help_text="When the newest pair of tokens was issued."
    )
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "sign_ins"
        verbose_name = "sign-in"
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=["expires_at"], name="sign_in_by_expiry"),
            models.Index(fields=["created_at"], name="sign_in_by_start"),
            models.Index(
                fields=["created_at"],
                condition=models.Q(ended_at__isnull=False),
                name="sign_in_ended",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} since {self.created_at:%Y-%m-%d %H:%M}"


class KnownAddress(models.Model):
    """A client address from which a user has logged in, and when the last time."""

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="known_addresses", db_index=False
    )
    address = models.GenericIPAddressField()
    last_login_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "known_addresses"
        constraints = (
            models.UniqueConstraint(fields=["user", "address"], name="known_address_unique"),
        )
        indexes = (models.Index(fields=["last_login_at"], name="known_address_by_last_login"),)

    def __str__(self) -> str:
        return f"{self.address} of {self.user}"


class SlowedAccount(models.Model):
    """An account whose password many addresses try to guess, or an address without an account."""

    email = models.CharField(max_length=254, primary_key=True)
    tried_at = models.DateTimeField(help_text="When an unknown address last tried a password.")
    warned_at = models.DateTimeField(help_text="When the owner was last warned by e-mail.")

    class Meta:
        db_table = "slowed_accounts"

    def __str__(self) -> str:
        return self.email


AUDIT_WORDS = FoldedWords("action", "subject_name")


class AuditEntry(models.Model):
    """What a member of staff did to one object, and why. Never changed.

    `actor` is null if the site did it. `theatre_id` is a plain number, because this
    app does not know theatres; null if it concerns none.
    """

    at = models.DateTimeField(auto_now_add=True, db_default=Now())
    actor = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        related_name="audit_entries",
        null=True,
        blank=True,
        db_index=False,  # audit_by_actor
    )
    action = models.CharField(max_length=40)
    subject_type = models.CharField("kind of object", max_length=80)
    subject_id = models.CharField("object", max_length=40)
    subject_name = models.CharField("name of the object", max_length=300)
    theatre_id = models.BigIntegerField(null=True, blank=True)
    reason = models.CharField(max_length=300, blank=True, default="", db_default="")
    facts = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)

    class Meta:
        db_table = "audit_entries"
        ordering = ("-at", "-id")
        verbose_name_plural = "audit entries"
        indexes = (
            models.Index(fields=["subject_type", "subject_id", "-at"], name="audit_by_subject"),
            models.Index(fields=["theatre_id", "-at"], name="audit_by_theatre"),
            models.Index(fields=["-at"], name="audit_by_time"),
            models.Index(fields=["actor", "-at"], name="audit_by_actor"),
            models.Index(fields=["action", "-at"], name="audit_by_action"),
            GinIndex(AUDIT_WORDS, name="audit_by_folded_words"),
        )

    def __str__(self) -> str:
        return f"{self.label}: {self.subject_name}"

    @property
    @admin.display(description="action")
    def label(self) -> str:
        return self.action.replace("_", " ").capitalize()
