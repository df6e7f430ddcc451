"""The site without its last guard against selling twice: the unique index.

A control for the stampede, which must notice. Served instead of
`booking_site.wsgi`; the site itself has no switch for this.
"""

from django.db import connection

from booking_site.wsgi import application

__all__ = ["application"]

with connection.cursor() as cursor:
    cursor.execute("SELECT pg_advisory_lock(1)")  # several workers start at once
    cursor.execute("DROP INDEX IF EXISTS booking_one_live_per_seat")
    cursor.execute("SELECT pg_advisory_unlock(1)")
connection.close()
