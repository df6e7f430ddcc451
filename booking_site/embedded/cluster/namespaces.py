"""Namespaces of Linux: one for each machine, joined by a bridge. Their processes end with them.

The same for root and for other users: inside, every process has an ordinary user's id, which
PostgreSQL demands, and the capabilities to set up networks and file systems.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from booking_site.embedded.command import Command
from booking_site.embedded.processes import Child, StartupError

NETWORK = "10.77.0.0/24"
_STARTER, _PREFIX_LENGTH = "10.77.0.1", 24
_BRIDGE = "cluster"
_INSIDE = "BOOKING_SITE_NAMESPACES"  # set for the processes inside
_NOBODY = 65534
# Debian's shells of ordinary users leave out the last two.
SEARCH_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
# Debian's programs, and their packages.
_PROGRAMS = {
    "haproxy": "haproxy",
    "pgbouncer": "pgbouncer",
    "etcd": "etcd-server",
    "redis-sentinel": "redis-sentinel",
    "ip": "iproute2",
}
INSTALL = f"apt-get install --no-install-recommends {' '.join(_PROGRAMS.values())}"


def enter_namespaces(*, parent: int | None = None, pass_fds: Sequence[int] = ()) -> None:
    """Run this program again in new namespaces, and exit with its code; there, return at once.

    It ends when the process `parent` has ended. Raise StartupError if a package is missing or the
    kernel refuses.
    """
    if is_inside():
        return
    missing = [
        package for name, package in _PROGRAMS.items() if not shutil.which(name, path=SEARCH_PATH)
    ]
    if missing:
        raise StartupError(f"Missing: {', '.join(missing)}. Install Debian's packages: {INSTALL}")
    unshare = ["unshare", "--user", *_user_mapping(), "--net", "--mount", "--pid", "--fork"]
    unshare += ["--kill-child", "--mount-proc", "--keep-caps"]
    _require_namespaces(unshare)
    init = [sys.executable, "-I", "-S", str(Path(__file__).with_name("init.py"))]
    command = _Namespaced(
        [*unshare, *init, *sys.orig_argv],
        parent=parent,
        pass_fds=pass_fds,
        env={**os.environ, _INSIDE: "1"},
    )
    sys.exit(command.run([]))


def is_inside() -> bool:
    return _INSIDE in os.environ


def create_network() -> None:
    """Create the bridge, and give this process an address on it."""
    if not is_inside():
        raise StartupError("The cluster runs in namespaces only: call enter_namespaces() first.")
    _run("mount", "-t", "tmpfs", "tmpfs", "/run")  # of these namespaces only
    Path("/run/netns").mkdir()
    # Without an address of its own, the bridge takes that of a machine, and another when that
    # machine is cut off; then nobody reaches this process for some seconds.
    _ip(f"link add {_BRIDGE} address 02:00:00:00:00:01 type bridge")
    _ip(f"address add {_STARTER}/{_PREFIX_LENGTH} dev {_BRIDGE}")
    _ip(f"link set {_BRIDGE} up")
    _ip("link set lo up")


def add_machine(name: str, address: str, *, megabytes: int) -> Path:
    """Add a machine to the network; return its disk, which has this size."""
    _ip(f"netns add {name}")
    _ip(f"link add {name} type veth peer name eth0 netns {name}")
    connect(name)
    _ip(f"link set {name} up")
    _ip(f"-n {name} link set lo up")
    _ip(f"-n {name} address add {address}/{_PREFIX_LENGTH} dev eth0")
    _ip(f"-n {name} link set eth0 up")
    disk = Path("/run") / name
    disk.mkdir(mode=0o700)
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(disk))
    return disk


def connect(name: str) -> None:
    _ip(f"link set {name} master {_BRIDGE}")


def disconnect(name: str) -> None:
    """Drop all packets from and to a machine, without an error on either side."""
    _ip(f"link set {name} nomaster")


def on_machine(name: str, words: Sequence[str | Path]) -> list[str | Path]:
    """Return the command that runs `words` on a machine, as the same process."""
    return ["nsenter", f"--net=/run/netns/{name}", "--", *words]


class _Namespaced(Command):
    """Signals the child of `unshare`, because `unshare` itself does not forward signals."""

    death_signal = signal.SIGKILL

    def send(self, process: Child, number: int) -> None:
        for init in psutil.Process(process.pid).children():
            init.send_signal(signal.SIGTERM)


def _user_mapping() -> list[str]:
    if os.geteuid() != 0:
        return ["--map-current-user"]
    return [f"--map-user={_NOBODY}", f"--map-group={_NOBODY}"]


def _require_namespaces(unshare: list[str]) -> None:
    tried = subprocess.run(  # noqa: S603 (no outside input)
        [*unshare, "true"], capture_output=True, text=True
    )
    if tried.returncode:
        raise StartupError(
            f"The kernel allows no namespaces here ({tried.stderr.strip()}): see the settings"
            " user.max_user_namespaces, kernel.unprivileged_userns_clone and"
            " kernel.apparmor_restrict_unprivileged_userns of sysctl; a container needs"
            " --privileged."
        )


def _ip(arguments: str) -> None:
    _run("ip", *arguments.split())


def _run(*words: str) -> None:
    environment = {**os.environ, "PATH": SEARCH_PATH}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)  # noqa: S603 (same)
    if done.returncode:
        raise StartupError(f"{' '.join(words)} failed: {done.stderr.strip()}")
