"""The site with a list of movies that raises.

For the test of what a crash leaves in the log. Served instead of `booking_site.wsgi`.
"""

from typing import Any

from booking_site.wsgi import application
from catalog.views import MovieViewSet

__all__ = ["application"]


def crash(self: MovieViewSet, *args: Any, **kwargs: Any) -> None:
    raise RuntimeError("Planted crash")


MovieViewSet.list = crash
