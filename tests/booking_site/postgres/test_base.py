"""Connections from the pool are checked before use."""

import os
import subprocess
import sys

import pytest

from tests.web import database_url

# In separate processes, because only web processes have a pool.
START = """
import django
django.setup()
from django.db import connection

def number(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]

"""

ENDED = """
own = number("SELECT pg_backend_pid()")
connection.close()
assert number("SELECT pg_backend_pid()") == own, "a new connection was opened"
connection.close()
import psycopg
from django.conf import settings
main = settings.DATABASES["default"]
with psycopg.connect(
    host=main["HOST"], port=main["PORT"], user=main["USER"], password=main["PASSWORD"],
    dbname=main["NAME"], autocommit=True,
) as other:
    other.execute("SELECT pg_terminate_backend(%s, 5000)", [own])
assert number("SELECT pg_backend_pid()") != own
print("a new one")
"""

LEFT_OPEN = """
from concurrent.futures import ThreadPoolExecutor
from django.db.backends.signals import connection_created

set_up = []
connection_created.connect(lambda **signal: set_up.append(connection.connection), weak=False)
other = ThreadPoolExecutor(1)

def use():
    number("SELECT 1")
    assert connection.get_autocommit() is connection.connection.autocommit is True
    connection.close()

connection.ensure_connection()
other.submit(use).result()
use(), use(), other.submit(use).result()
assert len(set(set_up)) == len(set_up) == 2, "a clean connection was set up again"
connection.set_autocommit(False)
number("SELECT 2")
connection.close()
use()  # the other connection
other.submit(use).result()  # the one that was left in a transaction
print(len(set_up))
"""


READ_IN_PARTS = """
from django.contrib.contenttypes.models import ContentType

rows = ContentType.objects.iterator(chunk_size=1)
next(rows)
print(number("SELECT count(*) FROM pg_cursors"))
"""

LIMITS = """
with connection.cursor() as cursor:
    cursor.execute("SELECT name, setting FROM pg_settings WHERE name LIKE '%timeout%'")
    found = dict(cursor)
names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
print(*(found[name] for name in names), number("SHOW random_page_cost"))
"""

SOCKET = """
import os, socket

connection.ensure_connection()
with socket.socket(fileno=os.dup(connection.connection.fileno())) as tcp:
    options = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
    print(*(tcp.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in options))
"""


def run(script: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PROCESS_ROLE": "web",
        "DJANGO_SETTINGS_MODULE": "booking_site.settings",
        **settings,
    }
    command = [sys.executable, "-c", START + script]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("prepare", ["0", "1"])
def test_a_connection_that_the_server_ended_is_replaced_before_use(prepare: str) -> None:
    done = run(ENDED, DATABASE_PREPARE=prepare, DATABASE_POOL_MAX="1")
    assert done.stdout == "a new one\n", done.stderr


def test_a_connection_is_set_up_again_only_after_an_unclean_use() -> None:
    done = run(LEFT_OPEN, DATABASE_POOL_MIN="2", DATABASE_POOL_MAX="2")
    assert done.stdout == "4\n", done.stderr


@pytest.mark.parametrize(("role", "limits"), [("web", "1500 5000 10000"), ("command", "0 0 0")])
def test_only_web_processes_have_limits(role: str, limits: str) -> None:
    done = run(LIMITS, PROCESS_ROLE=role, LOCK_TIMEOUT_MS="1500")
    assert done.stdout == f"{limits} 1.1\n", done.stderr


@pytest.mark.parametrize("role", ["web", "command"])
def test_the_system_closes_a_connection_whose_peer_is_silent(role: str) -> None:
    """When a machine is lost or cut off, nothing arrives, not even an error."""
    done = run(SOCKET, PROCESS_ROLE=role)
    assert done.stdout == "5 1 5 10000\n", done.stderr


@pytest.mark.parametrize("role", ["web", "command"])
def test_warnings_arrive_whatever_the_database_is_set_to(role: str) -> None:
    """A warning at COMMIT is all that reports a wait for the standby that was cancelled."""
    silent = f"{os.environ['DATABASE_URL']}?options=-c%20client_min_messages%3Derror"
    script = 'print(number("SHOW client_min_messages"))'
    done = run(script, PROCESS_ROLE=role, DATABASE_URL=silent)
    assert done.stdout == "notice\n", done.stderr


@pytest.mark.django_db
def test_a_web_process_leaves_no_cursor_in_its_session() -> None:
    """A pooler may give another session to the next statement, which would read the cursor."""
    done = run(READ_IN_PARTS, DATABASE_URL=database_url())
    assert done.stdout == "0\n", done.stderr
