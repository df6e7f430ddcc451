"""The data directory of the servers: used by one run at a time, and owned by their account.

PostgreSQL refuses to run as root, so root's servers run as an unprivileged account.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from booking_site.embedded.processes import Child, StartupError, pause

_OPEN_TO_ALL = Path("/var/tmp")  # noqa: S108 (directories in it are checked, see below)
_PREFIX = "booking-site-"
_LOCK_SECONDS = 5.0


@dataclass(frozen=True)
class DataDirectory:
    """A locked directory. If `durable`, committed data must survive a crash."""

    path: Path
    durable: bool
    account: pwd.struct_passwd | None
    lock: int

    def spawn(
        self,
        command: Sequence[str | Path],
        *,
        death_signal: signal.Signals,
        log: Path,
        text: str = "",
    ) -> Child:
        """Start a server's program with `text` as its input. Ctrl-C does not reach its session.

        It inherits the lock, so that after a kill -9 of this process the directory stays locked
        until the last server has ended.
        """
        identity = {}
        if self.account is not None:
            uid, gid = self.account.pw_uid, self.account.pw_gid
            identity = {"user": uid, "group": gid, "extra_groups": []}
        with log.open("ab") as output, tempfile.TemporaryFile() as stdin:
            stdin.write(text.encode())
            stdin.seek(0)
            return Child(
                command,
                death_signal=death_signal,
                # Without variables such as PGDATA, and without a locale that may be missing.
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                stdin=stdin,
                stdout=output,
                stderr=output,
                pass_fds=[self.lock],
                start_new_session=True,
                **identity,
            )

    def give(self, path: Path) -> Path:
        """Make the servers' account the owner of a file or tree."""
        if self.account is not None:
            for each in (path, *path.rglob("*")):
                os.chown(each, self.account.pw_uid, self.account.pw_gid, follow_symlinks=False)
        return path

    def runnable(self, root: Path, *names: str) -> Path:
        """Return a directory from which the servers' account can run `names` of `root`.

        That is `root`, or a copy of those trees where the account cannot enter them.
        """
        if self.account is None or all(_is_open((root / name).resolve()) for name in names):
            return root
        copy = self.path / "programs"
        for name in names:
            shutil.rmtree(copy / name, ignore_errors=True)
            ignored = shutil.ignore_patterns("*.a", "include")
            shutil.copytree(root / name, copy / name, symlinks=True, ignore=ignored)
        return self.give(copy)


@contextmanager
def persistent_directory(path: Path) -> Iterator[DataDirectory]:
    """Use the directory at `path` and leave it. Raise StartupError if another run uses it."""
    path = path.absolute()
    if not path.is_dir():
        path.mkdir(parents=True)
        path.chmod(0o755)
    if os.geteuid() == 0 and not _is_open(path.resolve()):
        closed, path = path, _replacement(path)
        sys.stderr.write(f"Data is stored in {path}: as root, servers cannot enter {closed}.\n")
    if not os.access(path, os.W_OK | os.X_OK):
        raise StartupError(f"The directory {path} is not writable.")
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = time.monotonic() + _LOCK_SECONDS  # The servers of a killed run may be stopping.
        while not _try_lock(lock):
            if time.monotonic() > deadline:
                raise StartupError(f"The directory {path} is in use by another run.")
            pause(0.1)
        yield DataDirectory(path=path, durable=True, account=_account(path), lock=lock)
    finally:
        os.close(lock)


@contextmanager
def temporary_directory(*, durable: bool = False) -> Iterator[DataDirectory]:
    """Use a new directory, and remove it at the end. First remove those of killed runs."""
    base = Path(tempfile.gettempdir()).resolve()
    if os.geteuid() == 0 and not _is_open(base):
        base = _OPEN_TO_ALL
    _remove_abandoned(base)
    # Other runs remove directories that have the prefix and no lock, so lock it before renaming it.
    new = Path(tempfile.mkdtemp(prefix=f"new-{_PREFIX}", dir=base))
    new.chmod(0o711)
    lock = os.open(new, os.O_RDONLY | os.O_DIRECTORY)
    _try_lock(lock)
    path = new.rename(base / new.name.removeprefix("new-"))
    try:
        yield DataDirectory(path=path, durable=durable, account=_account(path), lock=lock)
    finally:
        shutil.rmtree(path)
        os.close(lock)


def _remove_abandoned(base: Path) -> None:
    for path in base.glob(f"{_PREFIX}*"):
        if path.is_symlink() or not path.is_dir() or path.stat().st_uid != os.geteuid():
            continue
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        if _try_lock(lock):
            shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _try_lock(directory: int) -> bool:
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_open(path: Path) -> bool:
    """Return whether every account may enter or execute `path`."""
    return all(each.stat().st_mode & 0o001 for each in (path, *path.parents))


def _replacement(path: Path) -> Path:
    """Return a directory of root for data whose path the servers' account cannot enter."""
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    directory = _OPEN_TO_ALL / f"data-of-{_PREFIX}{name}"
    directory.mkdir(mode=0o711, exist_ok=True)
    status = directory.lstat()
    if directory.is_symlink() or status.st_uid != 0 or status.st_mode & 0o022:
        raise StartupError(f"{directory} belongs to another user, so it is not used.")
    directory.chmod(0o711)
    return directory


def _account(path: Path) -> pwd.struct_passwd | None:
    """Return the account for root's servers: the owner of existing data, else `nobody`."""
    if os.geteuid() != 0:
        return None
    data = path / "postgres"
    if data.exists() and (uid := data.stat().st_uid) != 0:
        return pwd.getpwuid(uid)
    return pwd.getpwnam("nobody")
