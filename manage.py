#!/usr/bin/env python
"""Django's command line, with this project's settings."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError

from booking_site.environment import exit_if_invalid
from booking_site.postgres.sessions import UnsafePooler

if __name__ == "__main__":
    exit_if_invalid(os.environ)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "booking_site.settings")
    os.environ["PROCESS_ROLE"] = "command"  # the limits of requests would end long commands
    try:
        execute_from_command_line(sys.argv)
    except UnsafePooler as error:
        sys.exit(str(error))
    except OperationalError as error:
        first_line = str(error).strip().partition("\n")[0]
        sys.exit(
            f"The database ended the command: {first_line}. If it does not respond, check"
            " DATABASE_URL, and that PostgreSQL is running."
        )
