"""Run `benchmarks.stampede.director` with Django's settings loaded."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "booking_site.settings")
django.setup()

from benchmarks.stampede.director import main  # noqa: E402 - needs the settings

sys.exit(main(sys.argv[1:]))
