"""The database's clock."""

from django.db import models
from django.db.models import Func


class ClockTimestamp(Func):
    """The database's current time; unlike `now()` it advances within a transaction."""

    function = "clock_timestamp"
    template = "%(function)s()"
    output_field = models.DateTimeField()
