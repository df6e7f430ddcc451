"""Draw a flame graph of the workers under one workload.

Needs py-spy (pip install py-spy), which may need root:
python -m booking_site.embedded --durable -- python -m benchmarks.flames W3 W3.svg
"""

import argparse
import os
import re
import secrets
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import wrk
from benchmarks.dataset import Size
from benchmarks.own_dataset import OwnDataset
from benchmarks.servers import (
    Checkout,
    NotStarted,
    migrate,
    production,
    serving,
    temporary_database,
)
from benchmarks.workloads import SITE, WORKLOADS, RunOptions, Target


def main() -> int:
    options = _parser().parse_args()
    wrk.require_wrk()
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        database = stack.enter_context(temporary_database(os.environ["DATABASE_URL"]))
        environment = production(database=database, jwt_key=secrets.token_urlsafe(48))
        migrate(environment, checkout=Checkout())
        size = Size(seats=192_000, sold=0.0)
        dataset = OwnDataset(url=database, size=size, jwt_key=environment["JWT_SIGNING_KEY"])
        dataset.fill()
        app = stack.enter_context(serving(environment=environment, log=logs / "site.log"))
        target = Target(SITE, app.url, dataset, dataset.tokens())
        send = WORKLOADS[options.workload].send
        send(target, RunOptions(seconds=3, connections=32))  # warm-up
        dataset.reset()
        with subprocess.Popen(_record(app.pid, options)):  # noqa: S603 - no outside input
            send(target, RunOptions(seconds=options.seconds + 3, connections=32))
    _set_title(options.file, options.workload)
    return 0


def _record(pid: int, options: argparse.Namespace) -> list[str]:
    """Return the command that samples all workers a hundred times a second."""
    program = shutil.which("py-spy")
    if program is None:
        raise NotStarted("py-spy not found: pip install py-spy.")
    command = [program, "record", "--subprocesses", "--function", "--format=flamegraph"]
    command += [f"--duration={options.seconds}", f"--output={options.file}", f"--pid={pid}"]
    return command


def _set_title(file: Path, workload: str) -> None:
    """Replace py-spy's title, its command, and the path of Python."""
    drawing = file.read_text().replace(sys.executable, "python")
    file.write_text(re.sub(r'(<text id="title"[^>]*>)[^<]*', rf"\g<1>{workload}", drawing))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flames")
    parser.add_argument("workload", choices=sorted(WORKLOADS))
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=int, default=10)
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (wrk.NoWrk, NotStarted) as refusal:
        sys.exit(str(refusal))
