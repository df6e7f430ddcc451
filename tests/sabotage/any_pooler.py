"""The site with prepared statements behind any pooler.

EXTRA_STATEMENTS shifts the numbers in the names of its statements, as a new release may.
"""

import os

from booking_site.postgres import sessions
from booking_site.postgres.pipeline import Statement

for _ in range(int(os.environ["EXTRA_STATEMENTS"])):
    Statement("SELECT 1")
sessions._passes_names_on = lambda session: False
os.environ["DJANGO_SETTINGS_MODULE"] = "booking_site.settings"

from booking_site.wsgi import application  # noqa: E402, F401 - what the server serves
