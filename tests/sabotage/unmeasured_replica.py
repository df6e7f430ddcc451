"""The site that reads its replica without measuring how far it is behind.

A control for the tests of a replica that lags. Served instead of `booking_site.wsgi`; the site
itself has no switch for this.
"""

from booking_site.postgres.replica import monitor
from booking_site.wsgi import application

__all__ = ["application"]

monitor.is_usable = lambda: True  # type: ignore[method-assign]
