"""What `make` does on a machine with only Python; a shell script replaces Python."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.stampede.servers import wait_until
from tests.waiting import is_unlocked
from tests.web import ROOT

INSTALL = ".venv/.installed"
# Arguments with which make installs and compiles nothing.
INSTALLED = ["--old-file", INSTALL, "--old-file", "clients/typescript/dist/.built"]
TIMEOUT_SECONDS = 60

# Under `make test` an inner make would take itself for a part of the outer one.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")
}

# Makes a .venv whose pip writes down that it ran, and fails as often as asked.
FAKE_PYTHON = """#!/bin/sh
case "$2" in
*version_info*) exit ${TOO_OLD:-0} ;;
*ensurepip*) exit ${NO_VENV:-0} ;;
venv) mkdir -p .venv/bin
    printf '#!/bin/sh\\necho ran | tee -a pip.log\\nexit ${PIP_FAILS:-0}\\n' > .venv/bin/python
    chmod +x .venv/bin/python ;;
esac
"""


@pytest.fixture
def clone() -> Iterator[Path]:
    """A folder with the files that make reads, without .venv; other users can read it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(ROOT / "Makefile", folder)
        (folder / "requirements").mkdir()
        (folder / "requirements" / "dev.txt").touch()
        python = folder / "fake-python"
        python.write_text(FAKE_PYTHON)
        python.chmod(0o755)
        yield folder


def make(
    clone: Path, *arguments: str, user: int | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", f"PYTHON={clone / 'fake-python'}", *arguments],
        cwd=clone,
        env=ENVIRONMENT | variables,
        user=user,
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_alone_lists_every_target(clone):
    listed = make(clone).stdout
    for target in ("run", "test", "test-browser", "lint", "fix", "shell", "migrations"):
        assert f"make {target} " in listed


@pytest.mark.parametrize(
    ("trouble", "line"),
    [
        ("TOO_OLD", "This needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"),
        ("NO_VENV", "fake-python has no venv module: apt-get install python3-venv"),
    ],
)
def test_an_unsuitable_python_is_reported_in_one_line(clone, trouble, line):
    done = make(clone, INSTALL, **{trouble: "1"})
    assert done.returncode == 2
    complaint, _ = done.stderr.splitlines()  # the other line is make's own
    assert complaint.endswith(line)
    assert not (clone / ".venv").exists()


def test_a_missing_python_is_reported_in_the_same_line(clone):
    (clone / "fake-python").unlink()
    done = make(clone, INSTALL)
    assert done.stderr.startswith("This needs Python 3.11 or newer")


def test_a_clone_that_is_not_writable_is_reported_in_one_line(clone):
    clone.chmod(0o555)
    nobody = {"user": 65534} if os.geteuid() == 0 else {}  # root may write everywhere
    done = make(clone, "run", **nobody)
    clone.chmod(0o755)
    complaint, _ = done.stderr.splitlines()
    assert f"{clone} is not writable" in complaint


@pytest.mark.parametrize("text", ["", "abc", "0", "65535", "80 81", "-1", "8123;"])
def test_an_invalid_port_stops_make_run_with_one_line(clone, text):
    done = make(clone, *running(text), PYTHONPATH=str(ROOT))
    complaint, _ = done.stderr.splitlines()
    assert complaint == f"PORT {text!r} is not a number from 1 to 65534: make run PORT=8123"


def test_missing_packages_of_debian_stop_make_test_parts_with_one_line(clone):
    done = make(clone, "test-parts", "--old-file", INSTALL, "PARTS=no-such-program:its-package")
    complaint, _ = done.stderr.splitlines()
    assert complaint.endswith("apt-get install --no-install-recommends its-package")


@pytest.mark.parametrize("text", ["", "abc", "0", "-1", "2 3", "100"])
def test_an_invalid_number_of_processes_stops_make_test_with_one_line(clone, text):
    done = make(clone, "test", *INSTALLED, f"PROCESSES={text}")
    complaint, _ = done.stderr.splitlines()
    assert complaint == "PROCESSES must be a number from 1 to 99, or auto: make test PROCESSES=2"


@pytest.mark.parametrize("number", ["1", "16", "auto"])
def test_a_number_of_processes_reaches_pytest(clone, number):
    done = make(clone, "test", *INSTALLED, f"PROCESSES={number}", "BIN=echo ")
    assert f" --numprocesses {number} " in done.stdout


def test_packages_are_installed_again_only_when_requirements_change(clone):
    make(clone, INSTALL)
    make(clone, INSTALL)
    assert (clone / "pip.log").read_text().count("ran") == 1
    later = (clone / INSTALL).stat().st_mtime + 1
    os.utime(clone / "requirements" / "dev.txt", (later, later))
    make(clone, INSTALL)
    assert (clone / "pip.log").read_text().count("ran") == 2


def test_the_installation_writes_to_standard_error_only(clone):
    """Else `make sbom > file` would have its messages in the file."""
    done = make(clone, INSTALL)
    assert (done.returncode, done.stdout) == (0, "")
    assert "ran" in done.stderr


def test_an_interrupted_installation_starts_again(clone):
    assert make(clone, INSTALL, PIP_FAILS="1").returncode == 2
    assert make(clone, INSTALL).returncode == 0
    assert (clone / "pip.log").read_text().count("ran") == 2


def test_browser_tests_without_chromium_explain_how_to_install_it(clone):
    done = make(clone, "test-browser", *INSTALLED, CHROMIUM="no-such-browser")
    assert done.returncode == 2
    assert done.stderr.startswith("The browser tests need Chromium: apt-get install chromium")


def test_a_taken_port_stops_make_run_with_one_line(clone):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = make(clone, *running(port), PYTHONPATH=str(ROOT))
    complaint, _ = done.stderr.splitlines()
    assert complaint.startswith(f"Port {port} cannot be used")
    assert not (clone / ".data").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("redis", ["", "redis://elsewhere/1"], ids=["servers", "no servers"])
def test_the_end_of_make_run_ends_everything_it_started(clone, number, redis):
    """A site of three lines stands in for ours; the real wrapper and servers do not."""
    (clone / "manage.py").write_text("import signal\nprint('ready', flush=True)\nsignal.pause()\n")
    servers = {"DATABASE_URL": "postgres://elsewhere/x", "REDIS_URL": redis}
    process = subprocess.Popen(
        ["make", *running(1024)],
        cwd=clone,
        env=ENVIRONMENT | servers | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        process.communicate(timeout=TIMEOUT_SECONDS)  # the wrapper and the site have the other end
        if not redis:
            wait_until(lambda: is_unlocked(clone / ".data"), what="The end of Redis")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_every_finding_is_executable_and_listed():
    scripts = sorted((ROOT / "findings").glob("*.sh"))
    assert scripts
    listed = (ROOT / "findings" / "README.md").read_text()
    for script in scripts:
        assert os.access(script, os.X_OK)
        assert f"`{script.name}`" in listed


def running(port: int | str) -> list[str]:
    """Return arguments to run the site in this test's own environment."""
    return ["run", "--old-file", INSTALL, f"BIN={Path(sys.prefix) / 'bin'}", f"PORT={port}"]
