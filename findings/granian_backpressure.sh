#!/bin/sh
# granian's --backpressure counts open connections, idle ones too, and not requests.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet granian==2.8.7
cat >"$folder/hello.py" <<'PYTHON'
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
PYTHON
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from importlib.metadata import version

with socket.create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]
server = subprocess.Popen(
    [sys.executable, "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-log"]
    + ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    + ["--blocking-threads", "8", "--backpressure", "3", "hello:app"]
)


def connected() -> HTTPConnection:
    """Return a kept-alive connection after its first answer, so it is idle."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"hello"
    return connection


try:
    print("granian", version("granian"), "--backpressure 3 --blocking-threads 8")
    while True:
        try:
            idle = [connected()]
            break
        except ConnectionError:
            time.sleep(0.1)
    idle += [connected(), connected()]
    try:
        fourth = connected()
        answered = True
    except TimeoutError:
        answered = False
    print("three connections are idle; the fourth client is", "answered" if answered else "waiting")
    idle.pop().close()
    connected()
    print("one of the three is closed; the next client is answered")
    assert not answered, "changed"
finally:
    server.terminate()
    server.wait()
PYTHON
