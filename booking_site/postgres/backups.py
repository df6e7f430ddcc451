"""Backs up and restores the database with PostgreSQL's programs and the site's settings."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import connection
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

# Marks a database that a rehearsal of a restore has filled.
REHEARSAL_SCHEMA = "rehearsal"
_FOR_ANY_ROLE = ("--no-owner", "--no-privileges")
# The site's tables would conflict with other tables, not with views or what extensions contain.
_EXISTING = """
    SELECT count(*) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass
        AND objid = pg_class.oid AND deptype = 'e'
    )
"""


class DumpFailed(Exception):
    """A tool is missing or failed; the message says why."""


def write_dump(path: Path) -> None:
    """Write a consistent dump beside live traffic; a failed one leaves no file."""
    # Refuses a pooler, because its clients would get the settings of pg_dump, such as search_path.
    connection.ensure_connection()
    half = path.with_name(f"{path.name}.half")
    half.touch(mode=0o600)  # it has users' names, addresses and password hashes
    try:
        _run("pg_dump", *_FOR_ANY_ROLE, "--format=custom", f"--file={half}")
        half.rename(path)
    finally:
        half.unlink(missing_ok=True)


def read_dump(path: Path, *, rehearsal: bool = False) -> None:
    """Restore the dump into an empty database, completely or not at all, and update statistics.

    A rehearsal marks the database first, so that no worker runs on it.
    """
    with connection.cursor() as cursor:
        cursor.execute(_EXISTING)
        (existing,) = cursor.fetchone()
        if existing:
            raise DumpFailed("This database is not empty. Create a new one and restore into that.")
        if rehearsal:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {REHEARSAL_SCHEMA}")
    # Without comments, because those on extensions need the rights of their owner.
    _run(
        "pg_restore",
        *_FOR_ANY_ROLE,
        "--exit-on-error",
        "--single-transaction",
        "--no-comments",
        str(path),
    )
    # Without statistics, PostgreSQL chooses slow plans until autovacuum has seen all tables.
    _run("vacuumdb", "--analyze-only", "--jobs=2", "--schema=public")


def is_rehearsal() -> bool:
    """Return whether this database is the copy of a rehearsal."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regnamespace(%s) IS NOT NULL", [REHEARSAL_SCHEMA])
        (marked,) = cursor.fetchone()
    return bool(marked)


def _run(program: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise DumpFailed(
            f"{program} not found: install the PostgreSQL client in the version of your server."
        )
    conninfo, environment = libpq_options(connection.get_connection_params())
    command = [found, *arguments, f"--dbname={conninfo}"]
    done = subprocess.run(  # noqa: S603 (no outside input)
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DumpFailed(done.stderr.strip())


def libpq_options(parameters: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return libpq's options among the parameters, as a connection string and as variables.

    Other users can see a command line, so the string has only options without a variable.
    """
    in_string, environment = {}, {}
    for option in Conninfo.get_defaults():
        name = option.keyword.decode()
        if (value := parameters.get(name)) is None:
            continue
        if option.envvar and name != "dbname":
            environment[option.envvar.decode()] = str(value)
        else:
            in_string[name] = value
    return make_conninfo("", **in_string), environment
