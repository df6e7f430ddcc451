"""The settings of production: what they refuse, and what they answer over HTTPS."""

import base64
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from booking_site import environment
from booking_site.environment import (
    MAXIMUMS,
    NUMBERS,
    SWITCHES,
    production_errors,
    validation_errors,
)
from tests.web import ROOT

SAFE = {
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz-0123456789-secret",
    "JWT_SIGNING_KEY": "0123456789abcdefghijklmnopqrstuvwxyz-0123456789-signing",
    "ALLOWED_HOSTS": "cinema.example",
    "DATABASE_URL": "postgres://u:p@db.example/cinema",
    "REDIS_URL": "redis://cache.example/0",
    "CLIENT_URL": "https://cinema.example",
}


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with nothing in its environment but what is given."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_safe_settings_have_no_error() -> None:
    assert production_errors(SAFE) == []
    sentinels = "redis+sentinel://:secret@a.example:26379,b.example:26379/cinema/0?protocol=2"
    assert production_errors({**SAFE, "REDIS_URL": sentinels}) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        *(({name: ""}, f"{name} is missing.") for name in SAFE),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is shorter than 32 bytes."),
        ({"JWT_SIGNING_KEY": "a1b2c3d4e5f6"}, "JWT_SIGNING_KEY is shorter than 32 bytes."),
        (
            {"JWT_SIGNING_KEY": "ab" * 30},
            "JWT_SIGNING_KEY has fewer than 10 different characters.",
        ),
        ({"JWT_PREVIOUS_KEY": "a1b2c3d4e5f6"}, "JWT_PREVIOUS_KEY is shorter than 32 bytes."),
        (
            {"JWT_SIGNING_KEY": SAFE["SECRET_KEY"]},
            "SECRET_KEY and JWT_SIGNING_KEY are the same.",
        ),
        (
            {"JWT_PREVIOUS_KEY": SAFE["JWT_SIGNING_KEY"]},
            "JWT_SIGNING_KEY and JWT_PREVIOUS_KEY are the same.",
        ),
        ({"METRICS_TOKEN": "a1b2c3d4e5f6"}, "METRICS_TOKEN is shorter than 32 bytes."),
        ({"DEBUG": "1"}, "DEBUG is on: it would show settings and data to strangers."),
        ({"ALLOWED_HOSTS": "cinema.example,*"}, "ALLOWED_HOSTS allows every host."),
        (
            {"CORS_ALLOWED_ORIGINS": "https://*.example"},
            "CORS_ALLOWED_ORIGINS contains 'https://*.example', which is not an origin.",
        ),
        (
            {"CORS_ALLOWED_ORIGINS": "null"},
            "CORS_ALLOWED_ORIGINS contains 'null', which is not an origin.",
        ),
        (
            {"CSRF_TRUSTED_ORIGINS": "http://cinema.example"},
            "CSRF_TRUSTED_ORIGINS contains 'http://cinema.example', which does not use HTTPS.",
        ),
        *(
            ({"DATABASE_URL": address}, "DATABASE_URL is not the address of a PostgreSQL server.")
            for address in ("sqlite:///x", "postgres://u:p/w@db/x", "postgres://u:p[w@db/x")
        ),
        *(
            ({"REDIS_URL": address}, "REDIS_URL is not the address of a Redis server.")
            for address in (
                "locmem://",
                "redis://:p/w@cache/0",
                "redis+sentinel://a/cinema",
                "redis+sentinel://a:26379",
            )
        ),
        (
            {"DATABASE_URL": "postgres://u:p@a.example,b.example/booking"},
            "DATABASE_URL has several hosts, so connections may lead to a standby: use the address"
            " of a proxy that finds the primary, or add ?target_session_attrs=read-write.",
        ),
        (
            {"DATABASE_POOL_TIMEOUT_SECONDS": "4"},
            "DATABASE_POOL_TIMEOUT_SECONDS must exceed 4, the time in which a connection to the"
            " second address of a host fails.",
        ),
        (
            {"DATABASE_DIRECT_URL": "pgbouncer://x"},
            "DATABASE_DIRECT_URL is not the address of a PostgreSQL server.",
        ),
        (
            {"ADMIN_SECOND_FACTOR": "yes"},
            "ADMIN_SECOND_FACTOR must be one of off, optional, required.",
        ),
        (
            {"ADMIN_ALLOWED_ADDRESSES": "2001:db8::1"},
            "ADMIN_ALLOWED_ADDRESSES is invalid: 2001:db8::1/128 is narrower than /64.",
        ),
        (
            {"THROTTLE_LOGIN": "often"},
            "THROTTLE_LOGIN must be a rate such as 60/min, not 'often'.",
        ),
        *(
            ({name: text}, f"{name} must be a whole number of at least {least}, not {text!r}.")
            for name, least in NUMBERS.items()
            for text in ("", "many", "1.5", str(least - 1))
        ),
        *(
            ({name: text}, f"{name} must be a number of seconds, not {text!r}.")
            for name in ["DATABASE_POOL_TIMEOUT_SECONDS"]
            for text in ("0", "", "soon", "-1")
        ),
        *(({name: "ja"}, f"{name} must be 1 or 0, not 'ja'.") for name in SWITCHES),
        (
            {"ALLOWED_HOSTS": ".example"},
            "ALLOWED_HOSTS contains '.example', which allows every host of a top-level domain.",
        ),
        ({"CLIENT_URL": "cinema.example"}, "CLIENT_URL is not the address of a website."),
        ({"CLIENT_URL": "http://cinema.example"}, "CLIENT_URL does not use HTTPS."),
        ({"LIVE_URL": "cinema.example"}, "LIVE_URL is not the address of a website."),
        ({"LIVE_URL": "http://cinema.example"}, "LIVE_URL does not use HTTPS."),
        *(
            (
                {"EMAIL_URL": address},
                "EMAIL_URL must start with one of smtp://, smtp+tls://, smtp+ssl://, smtps://.",
            )
            for address in ("consolemail://", "mail.example", "dummymail://")
        ),
        *(
            ({name: str(most + 1)}, f"{name} must be at most {most}, not {most + 1}.")
            for name, most in MAXIMUMS.items()
        ),
        (
            {"WEB_THREADS": "20"},
            "WEB_THREADS exceeds DATABASE_POOL_MAX: threads would wait for each other.",
        ),
    ],
)
def test_each_error_is_found(change: dict[str, str], sentence: str) -> None:
    assert sentence in production_errors(SAFE | change)


@pytest.mark.parametrize(
    "sender",
    [
        "Rex, Royal <tickets@rex.example>",
        "Kino: Rex <tickets@rex.example>",
        "Rex; Royal <tickets@rex.example>",
        "Rex @ Royal <tickets@rex.example>",
        "Kino [1] <tickets@rex.example>",
        "Kino: tickets@rex.example;",
        "Rex <tickets@rex.example> Royal",
        "Rex\nBcc: all@example.com <tickets@rex.example>",
        "tickets@rex.example, desk@rex.example",
        "tickets@bücher.example",
        "kärten@rex.example",
        "tickets",
        "Rex <tickets>",
    ],
)
def test_a_sender_that_mail_servers_refuse_is_an_error(sender: str) -> None:
    (error,) = production_errors(SAFE | {"MAIL_FROM": sender})
    assert error.startswith("MAIL_FROM must be one address")
    assert validation_errors({"DEVELOPMENT": "1", "MAIL_FROM": sender})


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "tickets@rex.example",
        "Rex & Royal <tickets@rex.example>",
        '"Café: Rex, Royal" <tickets@rex.example>',
        "Dr. Rex <tickets@xn--bcher-kva.example>",
    ],
)
def test_a_sender_may_have_any_name(sender: str) -> None:
    assert production_errors(SAFE | {"MAIL_FROM": sender}) == []


LOCAL = {
    "SECRET_KEY": "compose-only-secret-key-compose-only-secret-key-compose-only",
    "JWT_SIGNING_KEY": "only-for-collecting-the-static-files-1",
    "DATABASE_URL": "postgres://booking:compose-only@postgres:5432/booking",
    "CLIENT_URL": "http://localhost:5173",
    "MAIL_FROM": "Rex <no-reply@localhost>",
    "EMAIL_URL": "smtp://mail.example:25",
}


@pytest.mark.parametrize("name", LOCAL)
def test_values_for_trying_out_are_refused_by_name(name: str) -> None:
    change = {name: LOCAL[name]}
    (error,) = production_errors(SAFE | change)
    assert error.startswith(f"{name} ")
    assert production_errors(SAFE | change | {"TRIAL": "1", "ALLOWED_HOSTS": "localhost"}) == []


@pytest.mark.parametrize(
    "host",
    ["LOCALHOST", "localhost.", "app.localhost", "localhost.localdomain", "127.0.0.2", "[::1]"],
)
def test_this_machine_is_refused_by_any_name(host: str) -> None:
    changes = {"CLIENT_URL": f"https://{host}", "MAIL_FROM": f"tickets@{host.rstrip('.')}"}
    errors = production_errors(SAFE | changes)
    assert [error.split()[0] for error in errors] == list(changes)


@pytest.mark.parametrize("name", [name for name in NUMBERS if name.endswith("_DAYS")])
def test_no_time_is_longer_than_postgresql_can_subtract(name: str) -> None:
    (error,) = production_errors(SAFE | {name: "9999999"})
    assert error.startswith(f"{name} ")


def test_a_trial_answers_this_machine_only() -> None:
    (error,) = production_errors(SAFE | {"TRIAL": "1", "ALLOWED_HOSTS": "localhost,rex.example"})
    assert error == "TRIAL is on, but ALLOWED_HOSTS contains rex.example."


def test_mail_may_be_unencrypted_on_this_machine_and_encrypted_to_any_other() -> None:
    for address in (
        "smtp://localhost:25",
        "smtp+tls://u:p@mail.example:587",
        "smtps://mail.example",
    ):
        assert production_errors(SAFE | {"EMAIL_URL": address}) == []


def compose_environment() -> dict[str, str]:
    """Return the variables of the site in compose.yaml, with its own defaults."""
    text, _, _ = (ROOT / "compose.yaml").read_text().partition("services:")
    lines = re.findall(r'^    ([A-Z_]+): "?(.*?)"?$', text, re.MULTILINE)
    return {name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value) for name, value in lines}


def test_compose_starts_as_a_trial_only() -> None:
    shipped = compose_environment()
    assert shipped["TRIAL"] == "1"
    assert production_errors(shipped) == []
    refused = {error.split()[0] for error in production_errors(shipped | {"TRIAL": "0"})}
    expected = {"SECRET_KEY", "JWT_SIGNING_KEY", "DATABASE_URL", "CLIENT_URL", "EMAIL_URL"}
    assert refused == expected


def test_the_build_of_the_image_is_a_trial() -> None:
    _, _, build = (ROOT / "Dockerfile").read_text().partition("RUN TRIAL=1 ")
    values = dict(re.findall(r"([A-Z_]+)=(\S+)", build.partition("collectstatic")[0]))
    values["TRIAL"] = "1"
    assert production_errors(values) == []
    refused = {error.split()[0] for error in production_errors(values | {"TRIAL": "0"})}
    assert {"SECRET_KEY", "JWT_SIGNING_KEY"} <= refused


@pytest.mark.parametrize("path", ["Dockerfile", "compose.yaml"])
def test_images_are_pinned_to_a_patch_version(path: str) -> None:
    images = re.findall(r"^(?:FROM| +image:) (\S+)", (ROOT / path).read_text(), re.MULTILINE)
    tags = [image for image in images if image != "movie-booking-api"]
    assert len(tags) >= 2
    # PostgreSQL's versions have two parts.
    exact = re.compile(r"postgres:\d+\.\d+-.*|(?!postgres).*:v?\d+\.\d+\.\d+\b.*")
    assert [tag for tag in tags if not exact.fullmatch(tag)] == []


def test_sentry_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = SAFE | {"SENTRY_DSN": "https://key@sentry.example/1"}
    assert production_errors(dsn) == []
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    assert production_errors(dsn) == ["SENTRY_DSN needs the packages of requirements/sentry.txt."]


def test_keys_that_a_platform_generates_are_long_enough() -> None:
    generated = base64.b64encode(bytes(range(32))).decode()
    assert production_errors(SAFE | {"SECRET_KEY": generated}) == []


def test_a_client_on_the_developers_machine_is_allowed() -> None:
    assert production_errors(SAFE | {"CORS_ALLOWED_ORIGINS": "http://localhost:5173"}) == []


@pytest.mark.parametrize(
    "program",
    [
        ("manage.py", "check"),
        ("-m", "gunicorn", "booking_site.wsgi"),
        ("-c", "import os; os.execv('deploy/serve', ['deploy/serve'])"),
    ],
)
def test_production_names_everything_that_is_wrong_and_does_not_start(
    program: tuple[str, ...],
) -> None:
    flawed = {
        **{"SECRET_KEY": "x", "ALLOWED_HOSTS": "*", "DEBUG": "true"},
        **{"ADMIN_SECOND_FACTOR": "yes", "THROTTLE_LOGIN": "often"},
        **{"WEB_THREADS": "abc", "NUM_PROXIES": "-1", "EMAIL_URL": "garbage"},
    }
    done = run(*program, **flawed)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    for part in (
        "JWT_SIGNING_KEY is missing.",
        "CLIENT_URL is missing.",
        "DATABASE_URL is missing.",
        "REDIS_URL is missing.",
        "SECRET_KEY is shorter",
        "ALLOWED_HOSTS allows every host.",
        "DEBUG is on",
        "ADMIN_SECOND_FACTOR must be one of",
        "THROTTLE_LOGIN must be a rate",
        "WEB_THREADS must be a whole number",
        "NUM_PROXIES must be a whole number",
        "EMAIL_URL must start with one of",
    ):
        assert f"\n- {part}" in done.stderr


def test_invalid_values_are_refused_in_development_too() -> None:
    flawed = {"DEVELOPMENT": "1", "HOLD_MINUTES": "ten", "THROTTLE_LOGIN": "often"}
    assert validation_errors(flawed).splitlines() == [
        "The environment is invalid (see .env.example):",
        "- HOLD_MINUTES must be a whole number of at least 1, not 'ten'.",
        "- THROTTLE_LOGIN must be a rate such as 60/min, not 'often'.",
    ]
    assert validation_errors({"DEVELOPMENT": "1"}) == validation_errors(SAFE) == ""


CHECK = """
import sys
from django.conf import settings
from django.core.management import execute_from_command_line
settings.STATIC_ROOT = sys.argv[1]
execute_from_command_line(["manage.py", *sys.argv[2:]])
"""


def test_the_worker_and_commands_have_no_limits_of_requests_whatever_the_environment() -> None:
    script = "from django.conf import settings; print(settings.WEB)"
    done = run("manage.py", "shell", "--verbosity=0", "-c", script, **SAFE, PROCESS_ROLE="web")
    assert (done.returncode, done.stdout) == (0, "False\n")


def test_safe_settings_pass_check_deploy_without_a_warning(tmp_path: Path) -> None:
    """Once the static files are collected."""
    own = SAFE | {"DJANGO_SETTINGS_MODULE": "booking_site.settings"}
    check = ["-c", CHECK, str(tmp_path), "check", "--deploy", "--fail-level", "WARNING"]
    done = run(*check, **own)
    assert done.returncode == 1
    assert "(booking_site.E001) The static files are not collected" in done.stderr
    assert "identified 1 issue" in done.stderr
    run("-c", CHECK, str(tmp_path), "collectstatic", "--noinput", **own)
    done = run(*check, **own)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout


HTTPS = """
import json, django
django.setup()
from django.conf import settings
from django.test import Client
settings.STORAGES["staticfiles"]["BACKEND"] = (
    "django.contrib.staticfiles.storage.StaticFilesStorage"
)
client = Client(headers={"host": "cinema.example"})
plain, safe = client.get("/admin/login/"), client.get("/admin/login/", secure=True)
cookies = {name: dict(cookie) for name, cookie in safe.cookies.items()}
session = [settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_SECURE]
print(json.dumps([plain.status_code, plain["Location"], dict(safe.headers), cookies, session]))
"""


def test_production_answers_over_https_only_with_cookies_of_this_host_only() -> None:
    done = run("-c", HTTPS, DJANGO_SETTINGS_MODULE="booking_site.settings", **SAFE)
    assert done.returncode == 0, done.stderr
    status, location, headers, cookies, session = json.loads(done.stdout.splitlines()[-1])
    assert (status, location) == (301, "https://cinema.example/admin/login/")
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert session == ["__Host-session", True]
    cookie = cookies["__Host-csrf"]
    assert (cookie["secure"], cookie["httponly"], cookie["path"]) == (True, True, "/")
    assert (cookie["domain"], cookie["samesite"]) == ("", "Lax")


def test_the_operator_extends_hsts_to_subdomains_and_preloading() -> None:
    chosen = {"HSTS_INCLUDE_SUBDOMAINS": "1", "HSTS_PRELOAD": "1"}
    done = run("-c", HTTPS, DJANGO_SETTINGS_MODULE="booking_site.settings", **SAFE, **chosen)
    assert done.returncode == 0, done.stderr
    headers = json.loads(done.stdout.splitlines()[-1])[2]
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"


def test_production_logs_json_and_never_a_secret_or_a_body() -> None:
    secret = "planted-secret-5f2e"
    done = run(
        "-c",
        PLANTED.replace("SECRET", secret),
        DJANGO_SETTINGS_MODULE="booking_site.settings",
        PYTHONWARNINGS="ignore",  # no static files are collected here
        **SAFE
        | {"DATABASE_URL": "postgres://u:p@127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1"},
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["route"], line["status"]) for line in requests] == [
        ("api/auth/login", 503),
        ("api/auth/me", 401),
        ("api/auth/me", 400),
        ("none", 404),
        ("api/movies", 500),
    ]
    assert all(first["timestamp"] <= second["timestamp"] for first, second in pairwise(requests))
    assert {"request_id", "user_id", "duration_ms", "sql", "method"} <= requests[0].keys()
    crash = next(line for line in lines if "Boom" in line.get("exception", ""))
    assert crash["request_id"] == requests[-1]["request_id"]
    assert "Traceback" in crash["exception"]
    assert secret not in done.stderr + done.stdout


LOADED = """
import sys, django
django.setup()
print("sentry_sdk" in sys.modules)
"""


@pytest.mark.parametrize(("dsn", "loaded"), [("", "False"), ("https://k@sentry.example/1", "True")])
def test_sentry_is_loaded_only_with_a_dsn(dsn: str, loaded: str) -> None:
    done = run("-c", LOADED, DJANGO_SETTINGS_MODULE="booking_site.settings", SENTRY_DSN=dsn, **SAFE)
    assert done.stdout.strip() == loaded


PLANTED = """
import django
django.setup()
from django.test import Client
from django.test.utils import override_settings
from catalog.views import MovieViewSet
client = Client(headers={"host": "cinema.example"}, raise_request_exception=False)
body = '{"email": "SECRET@example.com", "password": "SECRET"}'
client.post("/api/auth/login", body, "application/json", secure=True)
client.get("/api/auth/me", headers={"authorization": "Bearer SECRET"}, secure=True)
client.get("/api/auth/me?token=SECRET", secure=True)
client.get("/nothing/SECRET", secure=True)

class Boom(Exception):
    pass

def crash(self, request, *args, **kwargs):
    password = "SECRET"
    raise Boom(f"duplicate key\\nDETAIL:  Key (email)=({password}@example.com) already exists.")

MovieViewSet.list = crash
client.get("/api/movies?search=SECRET", secure=True)
"""
