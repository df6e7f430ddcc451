"""`.env.example` has every variable that the service reads, and no other."""

import os
import re
import subprocess
import sys

from booking_site.environment import NUMBERS, RATES, REQUIRED, SWITCHES
from tests.booking_site.test_production import SAFE
from tests.web import ROOT

READ = re.compile(
    r"""env(?:\.\w+)?\(\s*"([A-Z_]+)"|environ(?:ment)?\.get\("([A-Z_]+)"|environ\["([A-Z_]+)"\]"""
    r"""|_secret\("([A-Z_]+)"\)|\$\{([A-Z][A-Z0-9_]+):-"""
)
SOURCES = (
    "booking_site/settings.py",
    "booking_site/environment.py",
    "booking_site/postgres/connection.py",
    "deploy/serve",
    "deploy/serve-live",
    "gunicorn.conf.py",
)
EXAMPLE = (ROOT / ".env.example").read_text()
BY_GRANIAN = {"GRANIAN_HOST"}
REFUSED = {"DEBUG"}


def test_every_number_and_switch_is_validated() -> None:
    text = "".join((ROOT / source).read_text() for source in SOURCES)
    assert set(re.findall(r'env\.bool\(\s*"([A-Z_]+)"', text)) | {"TRIAL"} == set(SWITCHES)
    numbers = set(re.findall(r'(?:env\.int\(\s*|int\(os\.environ\.get\()"([A-Z_]+)"', text))
    assert numbers | {"PORT", "LIVE_PORT", "LIVE_CONNECTIONS"} == set(NUMBERS)


def test_every_variable_is_explained() -> None:
    read = {
        name
        for source in SOURCES
        for match in READ.findall((ROOT / source).read_text())
        for name in match
        if name
    }
    explained = set(re.findall(r"^([A-Z0-9_]+)=", EXAMPLE, re.MULTILINE))
    assert explained == (read | BY_GRANIAN | set(RATES)) - REFUSED


def by_systemd(text: str) -> dict[str, str]:
    """Parse an EnvironmentFile by the rules of systemd.exec(5)."""
    found = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip()[0] in "#;":
            continue
        name, _, rest = line.partition("=")
        value, rest = "", rest.strip()
        while rest:
            if rest[0] == "'":
                part, _, rest = rest[1:].partition("'")
                value += part
            elif rest[0] == '"':
                quoted = re.match(r'"((?:\\.|[^"\\])*)"', rest)
                assert quoted is not None
                value += re.sub(r'\\(["\\`$])', r"\1", quoted[1])
                rest = rest[quoted.end() :]
            else:  # to the end of the line; quotes inside count as themselves
                value += re.sub(r"\\(.)", r"\1", rest)
                rest = ""
        found[name.strip()] = value
    return found


def by_compose(text: str) -> dict[str, str]:
    """Parse an env_file by the rules of Docker Compose, in a process without variables."""
    found = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, value = re.split(r"[=:]", line, maxsplit=1)
        value = value.strip()
        if value.startswith("'"):
            value = value[1 : value.index("'", 1)]
        else:
            if value.startswith('"'):
                value = re.sub(r"\\(.)", r"\1", value[1 : value.index('"', 1)])
            else:
                value = re.sub(r"\s+#.*", "", value)
            value = re.sub(r"\$(\{[^}]*\}|\w+)", "", value)
        found[name.strip()] = value
    return found


def by_shell(text: str) -> dict[str, str]:
    script = 'set -eua; eval "$1"; exec env -0'
    command = ["sh", "-c", script, "sh", text]
    done = subprocess.run(command, env={}, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    pairs = dict(pair.split("=", 1) for pair in done.stdout.split("\0") if pair)
    return {name: value for name, value in pairs.items() if f"\n{name}=" in text}


def test_systemd_compose_and_shells_read_the_example_alike() -> None:
    own = {
        "MAIL_FROM": '"Rex, Royal" <tickets@cinema.example>',
        "SECRET_KEY": "a $b ${c} `d` \\e #f",
    }
    text = EXAMPLE + "".join(f"{name}='{value}'\n" for name, value in own.items())
    read = by_shell(text)
    assert own.items() <= read.items()
    assert read["SITE_NAME"] == "Movie Booking"
    assert by_systemd(text) == by_compose(text) == read


SETTINGS = """
import re, django
from booking_site import settings

django.setup()
for name in sorted(name for name in vars(settings) if name.isupper()):
    print(name, re.sub(r" at 0x[0-9a-f]+", "", repr(getattr(settings, name))))
"""


def settings_of(environment: dict[str, str]) -> list[str]:
    environment = {"PATH": os.environ["PATH"], **environment, "PROCESS_ROLE": "web"}
    environment["DJANGO_SETTINGS_MODULE"] = "booking_site.settings"
    command = [sys.executable, "-c", SETTINGS]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_first_group_is_required_and_the_others_show_their_defaults() -> None:
    first, rest = re.split(r"^(?=# Origins that may call)", EXAMPLE, flags=re.MULTILINE)
    assert by_shell(first) == dict.fromkeys(REQUIRED, "")
    others = by_shell(rest)
    assert settings_of(SAFE | others) == settings_of(SAFE)
    defaults = re.findall(r"\$\{([A-Z][A-Z0-9_]+):-([^$}]+)\}", (ROOT / "deploy/serve").read_text())
    assert len(defaults) >= 6
    assert {name: others[name] for name, _ in defaults} == dict(defaults)
