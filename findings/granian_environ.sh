#!/bin/sh
# granian copies the environment of its process into the environ of every WSGI request.
set -eu
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet granian==2.8.7
cat >"$folder/site_under_test.py" <<'PYTHON'
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ.get("DATABASE_PASSWORD", "not there").encode()]
PYTHON
cd "$folder"
port=$("$folder/venv/bin/python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
DATABASE_PASSWORD=open-sesame "$folder/venv/bin/granian" --interface wsgi --port "$port" --no-log site_under_test:application &
server=$!
PORT=$port "$folder/venv/bin/python" - <<'PYTHON'
import os
import time
from importlib.metadata import version
from urllib.error import URLError
from urllib.request import urlopen

print("granian", version("granian"))
for _ in range(300):
    try:
        found = urlopen(f"http://127.0.0.1:{os.environ['PORT']}/").read().decode()
        break
    except URLError:
        time.sleep(0.1)
print("environ['DATABASE_PASSWORD']:", found)
assert found == "open-sesame", "changed"
PYTHON
