"""The unavailable seats of each show that has listeners, and how they have changed."""

import asyncio
import json
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from bookings.seat_map import SeatMap
from catalog.models import SeatStatus

# Changes that a feed remembers, for listeners that are slow or reconnect.
MAX_CHANGES = 100

Seat = dict[str, Any]


class Change(NamedTuple):
    """The seats that differ from the map with the version `before`, as they are afterwards."""

    before: str
    seats: list[Seat]


class Version(NamedTuple):
    """Identifies what a listener has: the hash of the map, and the fingerprint of the layout."""

    map: str
    layout: str


def version_of(seat_map: SeatMap) -> Version:
    """Return the version of a map. Its hash is the opaque part of the ETag."""
    return Version(seat_map.etag.split('"')[1], seat_map.layout_fingerprint)


class SeatFeed:
    """The current map of a show, its last changes, and its listeners.

    The event loop changes it; other threads may read `seat_map`.
    """

    def __init__(self, show_id: int, seat_map: SeatMap) -> None:
        self.show_id = show_id
        self.seat_map = seat_map
        self.version = version_of(seat_map)
        # Set when the map has to be read again.
        self.is_due = asyncio.Event()
        # Each is set when its listener has something to send.
        self.listeners: set[asyncio.Event] = set()
        self.has_ended = False
        self.last_event = b""
        self._changes: deque[Change] = deque(maxlen=MAX_CHANGES)
        # Most listeners have the same version, so the same bytes are sent to all of them.
        self._events: dict[Version, bytes] = {}

    def update(self, seat_map: SeatMap) -> bool:
        """Store the map that was just read, and wake the listeners if it differs."""
        version = version_of(seat_map)
        if version == self.version:
            return False
        if version.layout != self.version.layout:
            self._changes.clear()  # the seats may have been replaced
        else:
            self._changes.append(Change(self.version.map, _difference(self.seat_map, seat_map)))
        self.seat_map, self.version = seat_map, version
        self._events.clear()
        self.wake_listeners()
        return True

    def end(self, last_event: bytes = b"") -> None:
        """End all streams, after sending this event."""
        self.has_ended = True
        self.last_event = last_event
        self.wake_listeners()

    def wake_listeners(self) -> None:
        for listener in self.listeners:
            listener.set()

    def first_events(self, last_event_id: str) -> bytes:
        """Return the events for a client that has the map with this id, or none."""
        layout = self.version.layout
        # Not remembered, because a client can send any id.
        events = self._events_since(Version(last_event_id, layout))
        return _layout_event(layout) + (events or b"id: %b\n\n" % last_event_id.encode())

    def events_since(self, version: Version) -> bytes:
        """Return the events that lead from an earlier version to the current one."""
        found = self._events.get(version)
        if found is None:
            found = self._events[version] = self._events_since(version)
        return found

    def _events_since(self, version: Version) -> bytes:
        if version == self.version:
            return b""
        before = b""
        if version.layout != self.version.layout:
            before = _layout_event(self.version.layout)
        elif (seats := self._seats_since(version.map)) is not None:
            data = json.dumps(seats, separators=(",", ":")).encode()
            return _event("seats", self.version.map, data)
        return before + _event("map", self.version.map, self.seat_map.body)

    def _seats_since(self, version: str) -> list[Seat] | None:
        """Return the seats that have changed since; None if the version is not remembered."""
        seats: dict[int, Seat] = {}
        for change in reversed(self._changes):
            seats = {seat["id"]: seat for seat in change.seats} | seats
            if change.before == version:
                return list(seats.values())
        return None


def _by_id(seat_map: SeatMap) -> dict[int, Seat]:
    return {seat["id"]: seat for seat in json.loads(seat_map.body)}


def _difference(old_map: SeatMap, new_map: SeatMap) -> list[Seat]:
    old, new = _by_id(old_map), _by_id(new_map)
    available = SeatStatus.AVAILABLE.value
    changed = [seat for pk, seat in new.items() if old.get(pk) != seat]
    freed: Iterable[int] = (pk for pk in old if pk not in new)
    return changed + [{"id": pk, "status": available, "state": available} for pk in freed]


def _event(name: str, version: str, data: bytes) -> bytes:
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), version.encode(), data)


def _layout_event(layout: str) -> bytes:
    return b'event: layout\ndata: "%b"\n\n' % layout.encode()
