"""Connections from the pool, looked at before they are used."""

import os
import socket
import subprocess
import sys

import pytest

from booking_site.postgres.base import _is_quiet

# In a process of its own, as only web processes have a pool.
ENDED = """
import django
django.setup()
from django.db import close_old_connections, connection

def number(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]

own = number("SELECT pg_backend_pid()")
connection.close()
assert number("SELECT pg_backend_pid()") == own, "the connection was not kept"
connection.close()
import psycopg
from django.conf import settings
told = settings.DATABASES["default"]
with psycopg.connect(
    host=told["HOST"], port=told["PORT"], user=told["USER"], password=told["PASSWORD"],
    dbname=told["NAME"], autocommit=True,
) as other:
    other.execute("SELECT pg_terminate_backend(%s, 5000)", [own])
assert number("SELECT pg_backend_pid()") != own
print("a new one")
"""


def test_a_socket_is_quiet_until_the_other_side_speaks_or_ends() -> None:
    for speak in (lambda end: end.send(b"!"), lambda end: end.close()):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            assert _is_quiet(ours.fileno())
            speak(theirs)
            assert not _is_quiet(ours.fileno())


@pytest.mark.parametrize("prepare", ["0", "1"])
def test_a_connection_that_the_server_ended_is_replaced_before_use(prepare: str) -> None:
    environment = {
        **os.environ,
        "PROCESS_ROLE": "web",
        "DJANGO_SETTINGS_MODULE": "booking_site.settings",
        "DATABASE_POOL_MAX": "1",
        "DATABASE_PREPARE": prepare,
    }
    done = subprocess.run(
        [sys.executable, "-c", ENDED], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "a new one\n", done.stderr
