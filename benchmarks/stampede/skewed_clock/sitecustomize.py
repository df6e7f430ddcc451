"""Puts the clock of a Python process wrong by CLOCK_SKEW_SECONDS, if it is on PYTHONPATH.

What C code reads for itself, such as timeouts on the monotonic clock, stays right.
"""

import datetime
import os
import time

SKEW = float(os.environ["CLOCK_SKEW_SECONDS"])
_true_time = time.time
_TrueDatetime = datetime.datetime


class _Kind(type):
    """Lets true datetimes, which C code makes, pass for skewed ones."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _TrueDatetime)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, _TrueDatetime)


class SkewedDatetime(_TrueDatetime, metaclass=_Kind):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> _TrueDatetime:  # type: ignore[override]
        return _TrueDatetime.now(tz) + datetime.timedelta(seconds=SKEW)

    @classmethod
    def utcnow(cls) -> _TrueDatetime:  # type: ignore[override]
        return cls.now(datetime.UTC).replace(tzinfo=None)


class _SkewedTime:
    """Not a function, which as an attribute of a class would become a method."""

    def __call__(self) -> float:
        return _true_time() + SKEW


time.time = _SkewedTime()
datetime.datetime = SkewedDatetime  # type: ignore[misc]
