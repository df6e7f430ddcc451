"""The site that settles a lost COMMIT by a lookup that writes nothing.

A control for the tests of a failover: what the lookup finds may be lost in one. Served instead of
`booking_site.wsgi`; the site itself has no switch for this.
"""

from booking_site.postgres.pipeline import Statement
from booking_site.wsgi import application
from bookings import idempotency

__all__ = ["application"]

idempotency._WRITE_LOG = Statement("SELECT")
