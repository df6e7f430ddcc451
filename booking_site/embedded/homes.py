"""The folder that servers live in: who owns it, who may enter, and that one run has it."""

import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from booking_site.embedded.processes import Account, Refusal, pause, spawn

_OPEN_TO_ALL = Path("/var/tmp")  # noqa: S108 (folders in it are made safely, see below)
_PREFIX = "booking-site-"
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Home:
    """A folder that no other run uses. `kept`: what is in it must survive a crash."""

    path: Path
    kept: bool
    account: Account | None
    lock: int

    def spawn(
        self,
        command: Sequence[str | Path],
        *,
        death_signal: signal.Signals,
        log: Path,
        text: str = "",
    ) -> subprocess.Popen[bytes]:
        """Start a server's program, which reads `text`, away from the terminal's Ctrl-C.

        It keeps the lock open: after a kill -9 of this process the home stays
        taken until the last server has ended.
        """
        with log.open("ab") as output, tempfile.TemporaryFile() as stdin:
            stdin.write(text.encode())
            stdin.seek(0)
            return spawn(
                command,
                death_signal=death_signal,
                account=self.account,
                environment=_without_libpq(os.environ),
                stdin=stdin,
                output=output,
                keep_open=[self.lock],
                own_session=True,
            )

    def give(self, path: Path) -> Path:
        """Hand a file or tree that root has made to the servers' account."""
        if self.account is not None:
            for each in (path, *path.rglob("*")):
                os.chown(each, self.account.uid, self.account.gid, follow_symlinks=False)
        return path

    def reachable(self, program: Path, *, beside: Sequence[str] = ()) -> Path:
        """Return a path where the servers' account can run `program`: a copy when it must be.

        `beside` names what the program needs, relative to the folder two above it.
        """
        if self.account is None or _is_open(program.resolve()):
            return program
        root = program.parent.parent
        copy = self.path / "programs" / root.parent.name / root.name
        shutil.rmtree(copy, ignore_errors=True)
        for name in (program.relative_to(root), *map(Path, beside)):
            target = Path(os.path.normpath(copy / name))
            target.parent.mkdir(parents=True, exist_ok=True)
            if (root / name).is_dir():
                shutil.copytree(
                    root / name,
                    target,
                    ignore=shutil.ignore_patterns("*.a"),
                    dirs_exist_ok=True,
                )
            else:
                shutil.copy2(root / name, target)
        self.give(self.path / "programs")
        return copy / program.relative_to(root)


@contextmanager
def kept_home(path: Path) -> Iterator[Home]:
    """Use the folder at `path`, made when missing; another run in it is a Refusal."""
    path = path.absolute()
    if not path.is_dir():
        path.mkdir(parents=True)
        path.chmod(0o755)
    if os.geteuid() == 0 and not _is_open(path.resolve()):
        closed, path = path, _stand_in(path)
        sys.stderr.write(f"Data is kept in {path}: as root, servers cannot enter {closed}.\n")
    if not os.access(path, os.W_OK | os.X_OK):
        raise Refusal(f"The folder {path} is not writable.")
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS  # servers of a killed run may be ending
        while not _lock(lock):
            if time.monotonic() > deadline:
                raise Refusal(f"The folder {path} is in use by another run.")
            pause(0.1)
        yield Home(path=path, kept=True, account=_account(path), lock=lock)
    finally:
        os.close(lock)


@contextmanager
def throwaway_home() -> Iterator[Home]:
    """Use a temporary folder and remove it; leftovers of killed runs are removed too."""
    base = Path(tempfile.gettempdir()).resolve()
    if os.geteuid() == 0 and not _is_open(base):
        base = _OPEN_TO_ALL
    _sweep(base)
    # Under another name until it is locked, else a sweep might take it.
    new = Path(tempfile.mkdtemp(prefix=f"new-{_PREFIX}", dir=base))
    new.chmod(0o711)
    lock = os.open(new, os.O_RDONLY | os.O_DIRECTORY)
    _lock(lock)
    path = new.rename(base / new.name.removeprefix("new-"))
    try:
        yield Home(path=path, kept=False, account=_account(path), lock=lock)
    finally:
        shutil.rmtree(path)
        os.close(lock)


def _sweep(base: Path) -> None:
    for left in base.glob(f"{_PREFIX}*"):
        status = left.lstat()
        if status.st_uid != os.geteuid() or left.is_symlink() or not left.is_dir():
            continue
        lock = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        if _lock(lock):
            shutil.rmtree(left, ignore_errors=True)
        os.close(lock)


def _lock(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_open(path: Path) -> bool:
    """Say whether every account may walk to `path` and enter or execute it."""
    return all(each.stat().st_mode & 0o001 for each in (path, *path.parents))


def _stand_in(path: Path) -> Path:
    """Return root's own folder for data whose place is closed to the servers' account."""
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    folder = _OPEN_TO_ALL / f"data-of-{_PREFIX}{name}"
    folder.mkdir(mode=0o711, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != 0 or status.st_mode & 0o022:
        raise Refusal(f"{folder} was made by somebody else, so it is not used.")
    folder.chmod(0o711)
    return folder


def _account(path: Path) -> Account | None:
    """Return whom servers run as: the owner of earlier data, else nobody, when this is root."""
    if os.geteuid() != 0:
        return None
    owner = pwd.getpwnam("nobody")
    data = path / "postgres"
    if data.exists() and data.stat().st_uid != 0:
        owner = pwd.getpwuid(data.stat().st_uid)
    return Account(uid=owner.pw_uid, gid=owner.pw_gid)


def _without_libpq(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out PGDATA, PGPORT and the like, which would bend the server."""
    return {name: value for name, value in environment.items() if not name.startswith("PG")}
