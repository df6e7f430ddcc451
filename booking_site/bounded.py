"""Memory of a process that cannot grow without end."""

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Bounded(OrderedDict[K, V]):
    """A dict of at most `limit` entries: of more, those written longest ago are forgotten."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __setitem__(self, key: K, value: V) -> None:
        self.pop(key, None)  # so that it stands last
        super().__setitem__(key, value)
        while len(self) > self.limit:
            self.popitem(last=False)
