"""`.env.example` has every variable that the service reads, and no other."""

import re

from booking_site.environment import NUMBERS, RATES, SWITCHES
from tests.web import ROOT

READ = re.compile(
    r"""env(?:\.\w+)?\(\s*"([A-Z_]+)"|environ(?:ment)?\.get\("([A-Z_]+)"|environ\["([A-Z_]+)"\]"""
    r"""|_secret\("([A-Z_]+)"\)|\$\{([A-Z][A-Z_]+):-"""
)
SOURCES = (
    "booking_site/settings.py",
    "booking_site/environment.py",
    "deploy/serve",
    "gunicorn.conf.py",
)
BY_GRANIAN = {"GRANIAN_HOST"}
REFUSED = {"DEBUG"}


def test_every_number_and_switch_is_validated() -> None:
    text = "".join((ROOT / source).read_text() for source in SOURCES)
    assert set(re.findall(r'env\.bool\(\s*"([A-Z_]+)"', text)) == set(SWITCHES)
    assert set(re.findall(r'env\(\s*"(THROTTLE_[A-Z_]+)"', text)) == set(RATES)
    numbers = set(re.findall(r'(?:env\.int\(\s*|int\(os\.environ\.get\()"([A-Z_]+)"', text))
    assert numbers | {"PORT"} == set(NUMBERS)


def test_every_variable_is_explained() -> None:
    read = {
        name
        for source in SOURCES
        for match in READ.findall((ROOT / source).read_text())
        for name in match
        if name
    }
    explained = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert explained == (read | BY_GRANIAN) - REFUSED
