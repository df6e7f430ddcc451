"""Install a hashed requirements file into this Python, and show somebody who waits how far it is.

In a terminal one line counts the packages; elsewhere, as in the log of a CI job, nothing is
said but what went wrong. Exits as pip did.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

REWRITE_LINE = "\r\033[K"


def main(file: Path) -> int:
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    command += ["--require-hashes", f"--requirement={file}"]
    if not sys.stdout.isatty():
        return subprocess.run([*command, "--quiet"], check=False).returncode  # noqa: S603
    quiet_bar = [*command, "--progress-bar=off"]
    with subprocess.Popen(quiet_bar, stdout=subprocess.PIPE, text=True) as pip:  # noqa: S603
        assert pip.stdout is not None  # noqa: S101 - for the type checker
        _tell(pip.stdout, total=file.read_text().count("=="))
    sys.stdout.write(REWRITE_LINE)
    return pip.returncode


def _tell(lines: Iterable[str], *, total: int) -> None:
    fetched = 0
    for line in lines:
        if line.startswith("Ignoring "):  # for another Python, or another system
            total -= 1
        elif line.startswith("Collecting "):
            fetched += 1
            _show(f"fetching {fetched} of {total}: {line.split()[1]}")
        elif line.startswith("Installing collected"):
            _show(f"unpacking {fetched} packages ...")


def _show(text: str) -> None:
    sys.stdout.write(f"{REWRITE_LINE}  {text}"[: os.get_terminal_size().columns])
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
