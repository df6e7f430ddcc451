"""All settings, from environment variables (see .env.example), safe by default.

`DEVELOPMENT=1`, which only `make` and the embedded servers set, permits what production
refuses. `PROCESS_ROLE=web`, which the WSGI entry point sets, adds what only requests need: the
connection pool and the timeouts.
"""

import os
from datetime import timedelta
from email.utils import formataddr
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from booking_site.api.openapi.description import SPECTACULAR_SETTINGS  # noqa: F401 - a setting
from booking_site.back_office.theme import UNFOLD
from booking_site.caches import PROCESS_CACHE, redis_cache
from booking_site.environment import RATES, networks, validation_errors
from booking_site.http import cors
from booking_site.languages import DEFAULT_LANGUAGE, LANGUAGES  # noqa: F401 - a setting
from booking_site.observability.logging import logging_config
from booking_site.postgres.connection import postgres_database, replica_database, web_databases

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent
DEVELOPMENT = env.bool("DEVELOPMENT", default=False)
ROLE = env("PROCESS_ROLE", default="command")
WEB = ROLE in ("web", "live")

if errors := validation_errors(os.environ):
    raise ImproperlyConfigured(errors)


def _secret(name: str) -> str:
    value: str = env(name, default=f"development-only-{name.lower()}-{'x' * 40}")
    return value


# Django

DEBUG = False
# W009 demands keys of 50 characters, but the 32 random bytes that platforms generate take 44.
# W005 and W021 demand HSTS for subdomains and preloading, which the operator decides, as both
# affect hosts outside this site: HSTS_INCLUDE_SUBDOMAINS and HSTS_PRELOAD.
SILENCED_SYSTEM_CHECKS = ["security.W009", "security.W005", "security.W021"]
SECRET_KEY = _secret("SECRET_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", "testserver"])
# How many proxies stand in front of the web servers; their X-Forwarded-... headers are trusted.
NUM_PROXIES = env.int("NUM_PROXIES", default=0)
ROOT_URLCONF = "bookings.live.urls" if ROLE == "live" else "booking_site.urls"
WSGI_APPLICATION = "booking_site.wsgi.application"  # for `runserver`
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
# For users who opened the login page directly. Django's default address does not exist here.
LOGIN_REDIRECT_URL = "admin:index"
LANGUAGE_CODE = DEFAULT_LANGUAGE
# Before those of Django and of packages, some of whose sentences they replace.
LOCALE_PATHS = [BASE_DIR / "booking_site" / "locale"]
FORMAT_MODULE_PATH = ["booking_site.formats"]
TIME_ZONE = "UTC"

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "rest_framework",
    "corsheaders",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "django_tasks",
    "django_tasks_db",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "booking_site",
    "booking_site.tasks",
    "accounts",
    "django.contrib.auth",  # after accounts, which replaces its command changepassword
    "catalog",
    "bookings",
    "reports",
    "legacy_import",
    "demo",
]

MIDDLEWARE = [
    "booking_site.http.middleware.request_id",
    "booking_site.observability.request_log.observe",
    "booking_site.http.middleware.warn_of_unexpected_proxy",
    "booking_site.http.middleware.content_length",
    "booking_site.http.security_headers.security_headers",
    "booking_site.http.middleware.probes",
    "booking_site.http.middleware.activate_language",
    "booking_site.http.api_handler.api",  # sends calls of the API through API_MIDDLEWARE
]
if ROLE != "live":  # it has no pages
    MIDDLEWARE += [
        "django.middleware.security.SecurityMiddleware",
        "whitenoise.middleware.WhiteNoiseMiddleware",
        "accounts.admin_gate.only_known_addresses",
        "booking_site.http.middleware.limit_form",
        "booking_site.http.middleware.mark_recent_writes",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django_otp.middleware.OTPMiddleware",
        "accounts.admin_gate.require_second_factor",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
        "axes.middleware.AxesMiddleware",
    ]
API_MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "booking_site.http.middleware.strip_slash",
    "booking_site.http.compression.compress",
    "booking_site.http.middleware.cors",
    "accounts.throttling.rate_limit_headers",
    "booking_site.http.middleware.require_utf8_query",
    "booking_site.http.middleware.limit_body",
    "booking_site.http.middleware.conditional_get",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "booking_site.http.middleware.allowed_host",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# PostgreSQL

DATABASE_PREPARE = env.bool("DATABASE_PREPARE", default=True)
_address = env.db("DATABASE_URL", default="postgres://localhost/booking")
# What web processes connect to: PostgreSQL, or a pooler (see booking_site.postgres.sessions).
WEB_DATABASE = postgres_database(_address)
# What the worker and commands connect to: PostgreSQL.
if env("DATABASE_DIRECT_URL", default=""):
    _address = env.db("DATABASE_DIRECT_URL")
DATABASES = {"default": WEB_DATABASE if WEB else postgres_database(_address)}
# Milliseconds. A request that takes longer is rolled back and answered with 503.
LOCK_TIMEOUT_MS = env.int("LOCK_TIMEOUT_MS", default=3000)
STATEMENT_TIMEOUT_MS = env.int("STATEMENT_TIMEOUT_MS", default=5000)
IDLE_IN_TRANSACTION_TIMEOUT_MS = env.int("IDLE_IN_TRANSACTION_TIMEOUT_MS", default=10000)
# From COMMIT to the response; after that, the response is 503 `outcome_unknown`.
COMMIT_TIMEOUT_MS = env.int("COMMIT_TIMEOUT_MS", default=5000)
# Settings of PostgreSQL, as the view pg_settings shows them, for all processes.
SESSION_SETTINGS = {
    # The cost of a random read relative to a sequential one. PostgreSQL's default is for spinning
    # disks, on which reading a whole table is often faster than using its index.
    "random_page_cost": "1.1",
    # Otherwise the warning that a COMMIT did not wait for the standby may not arrive.
    "client_min_messages": "notice",
}
WEB_SESSION_SETTINGS = SESSION_SETTINGS | {
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
}
# A standby for reads that may be this many milliseconds old (see booking_site.postgres.replica).
REPLICA_DATABASE = replica_database(env)
REPLICA_MAX_LAG_MS = env.int("REPLICA_MAX_LAG_MS", default=1000)
if WEB:
    DATABASES = web_databases(env, WEB_DATABASE, REPLICA_DATABASE)

# Redis, a cache: no guarantee of the site depends on it.

REDIS_URL = env("REDIS_URL", default="redis://localhost:6379/0")

CACHES = {
    "default": redis_cache(REDIS_URL, prefix="site"),
    "idempotency": redis_cache(REDIS_URL, prefix="idempotency"),
    "process": PROCESS_CACHE,
}

# Scheme, host and port of `/api/shows/{id}/seats/events`; if empty, nothing is published.
LIVE_URL = env("LIVE_URL", default="").rstrip("/")
LIVE_STREAMS_PER_ADDRESS = env.int("LIVE_STREAMS_PER_ADDRESS", default=200)

# The worker

TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
# Modules that send mails which are not tasks (see `booking_site.tasks.outbox.Outbox`).
OUTBOXES = ["bookings.confirmations"]
# Management commands that the worker runs: their names, intervals in seconds and options.
SCHEDULED_JOBS: list[tuple[str, float, dict[str, object]]] = [
    ("release_expired_holds", 60, {}),
    ("store_sort_keys", 60, {}),
    ("purge_idempotency_records", 3600, {}),
    ("delete_old_rows", 3600, {}),
    # With a limit, so that mails do not wait for the whole first run.
    ("archive_rooms", 300, {"at_most": 100}),
    ("count_shows", 900, {}),
    ("erase_walk_in_customers", 86_400, {}),
    ("delete_old_tasks", 3600, {}),
]

# Mails. In production, EMAIL_URL and MAIL_FROM must be set before the worker starts, and mails
# stay queued until then. Writing them to the console would disclose links that change passwords.

SITE_NAME = env("SITE_NAME", default="Movie Booking")
EMAIL_URL = env("EMAIL_URL", default="consolemail://" if DEVELOPMENT else "")
vars().update(env.email_url_config(EMAIL_URL or "dummymail://"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env("MAIL_FROM", default="")
if DEVELOPMENT and not DEFAULT_FROM_EMAIL:
    DEFAULT_FROM_EMAIL = formataddr((SITE_NAME, "no-reply@localhost"))
# Whether customers get mails about their orders and cancellations.
BOOKING_MAILS = env.bool("BOOKING_MAILS", default=True)
# How long the links in mails work, which confirm an address or set a new password.
PASSWORD_RESET_TIMEOUT = 3600 * env.int("MAIL_LINK_HOURS", default=24)

# Static files

STATIC_URL = "/static/"
# In development, files are served from their apps, so `collectstatic` is not needed.
STATIC_ROOT = None if DEVELOPMENT else BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = DEVELOPMENT
if not DEVELOPMENT:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }

# The API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.authentication.ActiveUser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "booking_site.api.negotiation.Negotiation",
    "DEFAULT_PARSER_CLASSES": ["booking_site.api.parsing.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "booking_site.api.pagination.PageNumbers",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "booking_site.api.openapi.schema.ContractSchema",
    "URL_FORMAT_OVERRIDE": None,
    "EXCEPTION_HANDLER": "booking_site.api.problems.exception_handler",
    "NUM_PROXIES": NUM_PROXIES,
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_THROTTLE_CLASSES": ["accounts.throttling.CallThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        name.removeprefix("THROTTLE_").lower(): env(name, default=rate) or None
        for name, rate in RATES.items()
    },
}

# Users

PASSWORD_HASHERS = [
    "accounts.hashers.LeanArgon2PasswordHasher",
    # Hashes of the original system, upgraded at login.
    "accounts.hashers.OriginalBcryptPasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "accounts.password_validators.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("name", "email")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]

# Failed logins, counted in PostgreSQL.
LOGIN_FAILURES_PER_ADDRESS = env.int("LOGIN_FAILURES_PER_ADDRESS", default=50)
AXES_FAILURE_LIMIT = env.int("LOGIN_FAILURES_PER_ACCOUNT", default=5)
AXES_COOLOFF_TIME = timedelta(minutes=env.int("LOGIN_LOCK_MINUTES", default=15))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ACCESS_FAILURE_LOG = True
AXES_ENABLE_ADMIN = False  # accounts.admin has its own page
AXES_HANDLER = "accounts.brute_force.LoginGuard"
AXES_USERNAME_FORM_FIELD = "username"
AXES_USERNAME_CALLABLE = "accounts.brute_force.attempted_email"
AXES_CLIENT_IP_CALLABLE = "accounts.client_address.client_address"
AXES_LOCKOUT_CALLABLE = "accounts.brute_force.lockout_response"

# Called with user_id=… in the transaction that removes a user, before the row is emptied.
PERSON_REMOVERS = ["bookings.services.forget_person", "catalog.staff.forget_person"]
# Called with user_id=…; each returns the stored data about a user, JSON-ready, by section.
PERSON_EXPORTERS = ["bookings.exports.export_person"]

# Called with guest_ids=… and account_id=… when an account claims the orders of guests.
PURCHASE_MOVER = "bookings.services.move_purchases"

# Called with (person, of=…): whether `person` works only where `of` does.
COLLEAGUE_CHECK = "catalog.staff.is_colleague"
# Pages about one show, from apps above the catalogue.
EXTRA_SHOW_PAGES = [
    "bookings.show_changes.move_page.MOVE_PAGE",
    "bookings.show_changes.move_page.SWAP_PAGE",
    "bookings.show_changes.cancel_page.CANCEL_PAGE",
]
# What `manage.py doctor` checks, from apps above bookings.
INVARIANTS = ["reports.invariants.COUNTED_SHOWS_AGREE"]

# Whether holding and booking needs a confirmed e-mail address.
EMAIL_CONFIRMATION_REQUIRED = env.bool("EMAIL_CONFIRMATION_REQUIRED", default=False)

JWT_SIGNING_KEY = _secret("JWT_SIGNING_KEY")
# The keys after the next rotation and before the last one verify tokens but do not sign them.
JWT_NEXT_KEY = env("JWT_NEXT_KEY", default="")
JWT_PREVIOUS_KEY = env("JWT_PREVIOUS_KEY", default="")
JWT_ISSUER = JWT_AUDIENCE = "movie-booking-api"
ACCESS_TOKEN_LIFETIME = timedelta(minutes=env.int("ACCESS_TOKEN_MINUTES", default=1440))
REFRESH_TOKEN_LIFETIME = timedelta(days=14)
# After which a sign-in ends, however often its tokens are refreshed.
SIGN_IN_LIFETIME = timedelta(days=90)
# For how long a refresh token that has been replaced returns the same new pair again.
REFRESH_GRACE_SECONDS = env.int("REFRESH_GRACE_SECONDS", default=10)

CORS_ALLOWED_ORIGINS = env.list(
    "CORS_ALLOWED_ORIGINS", default=cors.DEVELOPMENT_ORIGINS if DEVELOPMENT else []
)
CORS_ALLOW_HEADERS = cors.ALLOWED_HEADERS
CORS_EXPOSE_HEADERS = cors.EXPOSED_HEADERS
# Links in mails lead to its /confirm-email, /reset-password and /claim-orders, with ?uid=…&token=…
CLIENT_URL = env("CLIENT_URL", default="http://localhost:5173")

# HTTPS, except in development

SECURE_SSL_REDIRECT = not DEVELOPMENT
# Without a proxy in front, any client could claim that its request came over HTTPS.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if NUM_PROXIES else None
SECURE_HSTS_SECONDS = 0 if DEVELOPMENT else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("HSTS_PRELOAD", default=False)
SESSION_COOKIE_SECURE = not DEVELOPMENT
CSRF_COOKIE_SECURE = not DEVELOPMENT
if not DEVELOPMENT:
    # With this prefix, browsers accept them from this host only, over HTTPS.
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_NAME = "__Host-csrf"
CSRF_COOKIE_HTTPONLY = True  # forms contain the token, so no script reads the cookie
SESSION_COOKIE_AGE = 12 * 60 * 60  # a long working day
CSRF_FAILURE_VIEW = "booking_site.http.views.csrf_failed"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# Selling

MAX_SEATS_PER_ORDER = env.int("MAX_SEATS_PER_ORDER", default=10)
# Across all active holds of a user.
MAX_HELD_SEATS_PER_USER = env.int("MAX_HELD_SEATS_PER_USER", default=20)
HOLD_MINUTES = env.int("HOLD_MINUTES", default=10)
HOLD_MAX_MINUTES = env.int("HOLD_MAX_MINUTES", default=30)
CANCELLATION_CUTOFF_MINUTES = env.int("CANCELLATION_CUTOFF_MINUTES", default=60)
# The names and addresses of walk-in customers are erased this many days after the show; 0: never.
WALK_IN_RETENTION_DAYS = env.int("WALK_IN_RETENTION_DAYS", default=0)

# Retention

# Days after the end of a show until its unsold seats are deleted; 0: never.
ARCHIVE_AFTER_DAYS = env.int("ARCHIVE_AFTER_DAYS", default=90)
AUDIT_RETENTION_DAYS = env.int("AUDIT_RETENTION_DAYS", default=1095)

# The back office

# A room's form has a field for each selected seat, and a large room has more than 1,000 seats.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 8000
# Whether staff need a one-time code besides their password.
ADMIN_SECOND_FACTOR = env("ADMIN_SECOND_FACTOR", default="optional")
OTP_TOTP_ISSUER = UNFOLD["SITE_HEADER"]
# Networks from which it can be used; if empty, all.
ADMIN_ALLOWED_ADDRESSES = networks(env("ADMIN_ALLOWED_ADDRESSES", default=""))

# Observability
LOGGING = logging_config(as_json=not DEVELOPMENT)
METRICS_TOKEN = env("METRICS_TOKEN", default="")
if not (WEB and METRICS_TOKEN):
    # Only servers with metrics create this folder, and prometheus_client fails without it.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
SENTRY_DSN = env("SENTRY_DSN", default="")
DEFAULT_EXCEPTION_REPORTER_FILTER = "booking_site.observability.error_reports.ErrorReportFilter"
