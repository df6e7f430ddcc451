"""Run the cluster until Ctrl-C: `make cluster`."""

import argparse
import os
import signal
import sys
import time
from types import FrameType

from booking_site.embedded.cluster.cluster import SITE_SOCKET, Cluster, running_cluster
from booking_site.embedded.cluster.namespaces import INSTALL, enter_namespaces, is_inside
from booking_site.embedded.cluster.status import status_table
from booking_site.embedded.ports import listen, parse_port
from booking_site.embedded.processes import Interrupted, StartupError

_COMMAND = "make cluster"
_REFRESH_SECONDS = 2.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    parent = os.getppid()
    options = _parser().parse_args()
    if options.packages:
        _say(INSTALL)
        return
    if not is_inside():
        listening = listen(parse_port(options.port, command=_COMMAND), command=_COMMAND)
        os.environ[SITE_SOCKET] = str(listening.fileno())
        os.environ.setdefault("DEVELOPMENT", "1")
        enter_namespaces(parent=parent, pass_fds=[listening.fileno()])
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    _say("Starting the cluster. This takes about a minute.")
    site = f"http://127.0.0.1:{options.port}"
    with running_cluster(servers=options.servers, LIVE_URL=site) as cluster:
        _say("Creating demo data.")
        cluster.manage("seed_demo")
        _say(_banner(cluster, site))
        _show_status(cluster)


def _show_status(cluster: Cluster) -> None:
    """Print the table whenever it changes; on a terminal, in the same place."""
    shown = ""
    while True:
        table = status_table(cluster)
        if table != shown:
            if shown and sys.stdout.isatty():
                # Go up to the first line of the table, and clear from there on.
                sys.stdout.write(f"\x1b[{len(shown.splitlines())}F\x1b[J")
            _say(table)
            shown = table
        time.sleep(_REFRESH_SECONDS)


def _banner(cluster: Cluster, site: str) -> str:
    places = {
        "Site": site,
        "Back office": f"{site}/admin/",
        "Demo login": "manager@example.com, popcorn-at-eight",
        "Shell inside": "make cluster-shell",
        "Logs": f"{cluster.directory.path}/*/*.log",
    }
    lines = [f"{name:<14}{place}" for name, place in places.items()]
    return "\n".join(["", *lines, "", "Ctrl-C stops everything.", ""])


def _interrupt(number: int, _: FrameType | None) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # The cluster is already ending.
    raise Interrupted(number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_COMMAND, description=__doc__)
    parser.usage = argparse.SUPPRESS  # so a mistake is one line
    parser.add_argument("--port", default="8000", help="of the site, on 127.0.0.1")
    parser.add_argument(
        "--servers", type=int, default=2, choices=range(1, 10), metavar="N", help="app servers"
    )
    parser.add_argument(
        "--packages", action="store_true", help="print the command that installs what it needs"
    )
    return parser


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except Interrupted:
        sys.exit(0)
    except StartupError as error:
        sys.exit(str(error))
