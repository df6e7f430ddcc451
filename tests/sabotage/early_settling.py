"""The site with a lookup after a lost COMMIT that writes nothing.

A control for the tests of a failover, which may lose what the lookup finds. Served instead of
`booking_site.wsgi`; the site itself has no switch for this.
"""

from booking_site.postgres.pipeline import Statement
from booking_site.wsgi import application
from bookings import idempotency

__all__ = ["application"]

idempotency._WRITE_LOG = Statement("SELECT")
