#!/bin/sh
# granian ends a streamed response that fails midway as if it were complete.
set -eu
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet granian==2.8.7
cat >"$folder/site_under_test.py" <<'PYTHON'
def rows():
    yield b"row 1\n"
    raise ConnectionError("the database is gone")


def application(environ, start_response):
    length = [("Content-Length", "12")] if environ["PATH_INFO"] == "/length" else []
    start_response("200 OK", [("Content-Type", "text/plain"), *length])
    return rows()
PYTHON
cd "$folder"
port=$("$folder/venv/bin/python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$folder/venv/bin/granian" --interface wsgi --port "$port" --no-log site_under_test:application &
server=$!
PORT=$port "$folder/venv/bin/python" - <<'PYTHON'
import os
import time
from http.client import HTTPException
from importlib.metadata import version
from urllib.error import URLError
from urllib.request import urlopen

print("granian", version("granian"))


def read(path):
    for _ in range(300):
        try:
            return urlopen(f"http://127.0.0.1:{os.environ['PORT']}{path}").read()
        except URLError:
            time.sleep(0.1)
        except (HTTPException, OSError) as error:
            return type(error).__name__


chunked, with_length = read("/"), read("/length")
print("in chunks, a client reads:", chunked)
print("with a Content-Length:", with_length)
assert chunked == b"row 1\n", "changed"
assert with_length in ("IncompleteRead", "RemoteDisconnected"), "changed"
PYTHON
