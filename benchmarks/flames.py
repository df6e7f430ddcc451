"""A flame graph of the workers under one workload. `python -m benchmarks.flames W2a FILE.svg`.

Needs py-spy (pip install py-spy), which may need to be root. The server is to be at hand:
python -m booking_site.embedded --durable -- python -m benchmarks.flames …
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
from benchmarks.house import Size
from benchmarks.own_house import OwnHouse
from benchmarks.servers import NotStarted, database_of_its_own, migrate, production, serving
from benchmarks.workloads import WORKLOADS, Target, Terms


def main() -> int:
    options = _parser().parse_args()
    wrk.require_wrk()
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        database = stack.enter_context(database_of_its_own(os.environ["DATABASE_URL"]))
        environment = production(database=database, jwt_key=secrets.token_urlsafe(48))
        migrate(environment)
        size = Size(seats=192_000, sold=0.0)
        house = OwnHouse(url=database, size=size, jwt_key=environment["JWT_SIGNING_KEY"])
        house.fill()
        app = stack.enter_context(
            serving("booking_site.wsgi", environment=environment, log=logs / "site.log")
        )
        target = Target("site", app.url, house, house.tokens())
        measure = WORKLOADS[options.workload][1]
        measure(target, Terms(seconds=3, connections=32))  # warm
        house.put_back()
        with subprocess.Popen(_record(app.pid, options)):  # noqa: S603 - a path of our own
            measure(target, Terms(seconds=options.seconds + 3, connections=32))
    _name(options.file, options.workload)
    return 0


def _record(pid: int, options: argparse.Namespace) -> list[str]:
    """Return the command that looks at what all workers do, a hundred times a second."""
    program = shutil.which("py-spy")
    if program is None:
        raise NotStarted("There is no py-spy: pip install py-spy.")
    command = [program, "record", "--subprocesses", "--function", "--format=flamegraph"]
    command += [f"--duration={options.seconds}", f"--output={options.file}", f"--pid={pid}"]
    return command


def _name(file: Path, workload: str) -> None:
    """Put the workload for a title: py-spy writes its command there, and where Python lies."""
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
