"""A web process returns memory that its threads no longer need."""

import os
import re
import subprocess
import sys

import pytest

from tests.web import ROOT

# Prints by how many MiB a process has grown once eight of its threads have hashed.
GROWTH = """
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "booking_site.settings")
import booking_site.wsgi
from django.contrib.auth.hashers import make_password

def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

def hash_some(_):
    line.wait()
    for _ in range(4):
        make_password("seven seals in the bay")

make_password("imports what hashing needs")
line, before = Barrier(8), pages()
with ThreadPoolExecutor(8) as pool:
    list(pool.map(hash_some, range(8)))
print((pages() - before) * os.sysconf("SC_PAGE_SIZE") // 2**20)
"""


# Loads all that a request may reach, and prints whether openpyxl, 6 MiB, is among it.
LOADED = """
import sys
from booking_site.wsgi import application
from django.urls import get_resolver
get_resolver().url_patterns
print("openpyxl" in sys.modules)
"""


def growth(**environment: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", GROWTH],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.parametrize("file", ["deploy/serve", "Procfile"])
def test_freed_memory_of_hashed_passwords_is_returned(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    (tunables,) = re.findall(r"glibc\.malloc[.\w=:]+", (ROOT / file).read_text())
    assert growth(GLIBC_TUNABLES=tunables) < growth() / 2


def test_openpyxl_is_imported_on_first_use() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
