"""Backs up and restores the database with pg_dump and pg_restore and the site's settings."""

import os
import shutil
import subprocess
from pathlib import Path

from django.db import connection


class DumpFailed(Exception):
    """A tool is missing or failed; the message says why."""


def write_dump(path: Path) -> None:
    """Write a consistent dump beside live traffic; a failed one leaves no file."""
    half = path.with_name(f"{path.name}.half")
    half.touch(mode=0o600)  # it has users' names, addresses and password hashes
    try:
        _run("pg_dump", "--format=custom", f"--file={half}")
        half.rename(path)
    finally:
        half.unlink(missing_ok=True)


def read_dump(path: Path) -> None:
    """Restore the dump into an empty database, completely or not at all."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        (existing,) = cursor.fetchone()
    if existing:
        raise DumpFailed("This database is not empty. Create a new one and restore into that.")
    name = connection.settings_dict["NAME"]
    _run("pg_restore", "--exit-on-error", "--single-transaction", f"--dbname={name}", str(path))


def _run(program: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise DumpFailed(f"There is no {program}: install the PostgreSQL client of your server.")
    command = [found, "--no-owner", "--no-privileges", *arguments]
    done = subprocess.run(  # noqa: S603 (no outside input)
        command, env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DumpFailed(done.stderr.strip())


def _environment() -> dict[str, str]:
    """Return libpq's variables. On a command line, other users could see the password."""
    settings = connection.settings_dict
    address = {
        "PGHOST": settings["HOST"],
        "PGPORT": settings["PORT"],
        "PGUSER": settings["USER"],
        "PGPASSWORD": settings["PASSWORD"],
        "PGDATABASE": settings["NAME"],
        "PGSSLMODE": settings["OPTIONS"].get("sslmode"),
    }
    return os.environ | {name: str(value) for name, value in address.items() if value}
