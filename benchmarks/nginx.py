"""nginx with deploy/nginx.conf in front of one server."""

import getpass
import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from benchmarks.servers import ROOT, App, free_port, is_ready, wait_until
from booking_site.embedded.processes import Child

CONFIGURATION = ROOT / "deploy" / "nginx.conf"


class NoNginx(Exception):
    """nginx is not installed; the message says how to install it."""


@contextmanager
def serving(upstream: str, *, log: Path) -> Iterator[App]:
    """Pass requests on to the server at the URL `upstream` until the block ends."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise NoNginx("Missing nginx: apt-get install nginx-light, or leave W1n and W2n out.")
    port = free_port()
    with TemporaryDirectory() as folder, log.open("ab") as output:
        file = Path(folder) / "nginx.conf"
        file.write_text(_configuration(folder, port=port, upstream=urlsplit(upstream).netloc))
        process = Child(
            [program, "-e", "stderr", "-p", folder, "-c", file],
            death_signal=signal.SIGTERM,
            stdout=output,
            stderr=output,
        )
        try:
            wait_until(lambda: is_ready(port), what="nginx")
            yield App(port, process.pid, log)
        finally:
            process.terminate()
            process.wait()


def _configuration(folder: str, *, port: int, upstream: str) -> str:
    """Return the file of the deployment with other addresses, and paths of this run."""
    text = CONFIGURATION.read_text()
    text = re.sub(r"listen [^;]+;", f"listen 127.0.0.1:{port};", text)
    first, *others = re.findall(r"^ *server web[^;]+;$", text, re.MULTILINE)
    for other in others:
        text = text.replace(other, "")
    text = text.replace(first, f"server {upstream};").replace("live:8001", upstream)
    text = re.sub(r"(proxy_cache_path )\S+", rf"\1{folder}/cache", text)
    paths = "".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("http {", f"http {{ {paths}")
    return f"daemon off; pid {folder}/nginx.pid; user {getpass.getuser()};\n{text}"
