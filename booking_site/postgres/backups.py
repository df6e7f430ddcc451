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
    # Refuses a pooler, because its clients would get the settings of pg_dump, such as search_path.
    connection.ensure_connection()
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
    _run("pg_restore", "--exit-on-error", "--single-transaction", str(path))


def _run(program: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise DumpFailed(
            f"{program} not found: install the PostgreSQL client in the version of your server."
        )
    # Django adds the database and its address. The password is in the environment, because other
    # users can see a command line.
    (_, *command), secrets = connection.client.settings_to_cmd_args_env(
        connection.settings_dict, ["--no-owner", "--no-privileges", *arguments, "--dbname"]
    )
    done = subprocess.run(  # noqa: S603 (no outside input)
        [found, *command],
        env=os.environ | (secrets or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DumpFailed(done.stderr.strip())
