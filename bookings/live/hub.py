"""Reads the maps of the shows that have listeners, and sends the changes to their streams."""

import asyncio
import logging
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from django.db import Error as DatabaseFailure
from django.db import close_old_connections

from booking_site.observability.metrics import LIVE_EVENTS, LIVE_STREAMS
from bookings.live.feeds import SeatFeed, Version
from bookings.live.subscription import Subscription
from bookings.live.views import END, FEEDS, EventStream, is_over
from bookings.seat_map import SeatMap, unavailable_seats
from catalog.errors import ShowNotFound

logger = logging.getLogger(__name__)

# If a message is lost, its change is found after this time at the latest.
READ_SECONDS = 10.0
READ_SECONDS_IN_OUTAGE = 2.5
HEARTBEAT_SECONDS = 15.0
HEARTBEAT = b":\n\n"
# The range of milliseconds after which clients reconnect when the process has stopped.
RETRY_AFTER_DEPLOY = (1000, 10_000)
READERS = 2  # threads


class Listener:
    """An open stream: the version that its client has, and the events to send next."""

    __slots__ = ("_feed", "_version", "has_events")

    def __init__(self, feed: SeatFeed, last_event_id: str) -> None:
        self.has_events = asyncio.Event()
        self._feed = feed
        self._version = Version(last_event_id, feed.version.layout)

    def first_events(self) -> bytes:
        events, self._version = self._feed.first_events(self._version.map), self._feed.version
        return events

    def last_events(self) -> bytes:
        # After a deploy, clients reconnect at different times.
        return self._feed.last_event or b"retry: %d\n\n" % random.randint(*RETRY_AFTER_DEPLOY)  # noqa: S311

    async def next_events(self) -> bytes:
        """Wait for the next events and return them, or a heartbeat; b"" when the stream ends."""
        while not self._feed.has_ended:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self.has_events.wait()
            except TimeoutError:
                return HEARTBEAT
            self.has_events.clear()
            events = self._feed.events_since(self._version)
            self._version = self._feed.version
            if events:
                return events
        return b""


class Hub:
    """The feeds of a process. Its methods run in the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._readers = ThreadPoolExecutor(READERS, "reader")
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._is_subscribed = False
        self._is_readable = True
        self._is_draining = False
        self._subscription = Subscription(
            lambda show_id: self._loop.call_soon_threadsafe(self._read_soon, show_id),
            lambda is_up: self._loop.call_soon_threadsafe(self._set_subscribed, is_up),
        )

    @contextmanager
    def listener(self, stream: EventStream) -> Iterator["Listener"]:
        feed = self._feed(stream)
        listener = Listener(feed, stream.last_event_id)
        del stream  # Its request takes more memory than the rest of a listener.
        feed.listeners.add(listener.has_events)
        LIVE_STREAMS.inc()
        try:
            yield listener
        finally:
            LIVE_STREAMS.dec()
            feed.listeners.discard(listener.has_events)
            if not feed.listeners:
                self._forget(feed)

    def drain(self) -> None:
        """End all streams, because the process is stopping."""
        self._is_draining = True
        for feed in FEEDS.values():
            feed.end()

    def stop(self) -> None:
        self._subscription.stop()

    def _feed(self, stream: EventStream) -> SeatFeed:
        feed = FEEDS.get(stream.show_id)
        if feed is None:
            feed = FEEDS[stream.show_id] = SeatFeed(stream.show_id, stream.seat_map)
            feed.is_due.set()  # the seats may have changed since the map was read
            self._tasks[feed.show_id] = self._loop.create_task(self._follow(feed))
            if self._is_draining:
                feed.end()
        return feed

    def _forget(self, feed: SeatFeed) -> None:
        if FEEDS.get(feed.show_id) is feed:
            del FEEDS[feed.show_id]
            self._tasks.pop(feed.show_id).cancel()

    async def _follow(self, feed: SeatFeed) -> None:
        """Read the map whenever it may have changed. Any messages during a read cause one more."""
        while not feed.has_ended:
            read = partial(_read, feed.show_id, unless_over=not await self._has_message(feed))
            feed.is_due.clear()
            try:
                if feed.update(await self._loop.run_in_executor(self._readers, read)):
                    LIVE_EVENTS.inc()
                self._set_readable(None)
            except ShowNotFound:
                feed.end(END)
                self._forget(feed)  # listeners that come later get a new one
            except DatabaseFailure as error:
                self._set_readable(error)
            except Exception:  # without this loop, the streams would only send heartbeats
                logger.exception("A seat map cannot be read.")

    async def _has_message(self, feed: SeatFeed) -> bool:
        """Wait until the map is to be read, and return whether a message is the reason."""
        is_healthy = self._is_subscribed and self._is_readable
        try:
            async with asyncio.timeout(READ_SECONDS if is_healthy else READ_SECONDS_IN_OUTAGE):
                return await feed.is_due.wait()
        except TimeoutError:
            return False

    def _read_soon(self, show_id: int) -> None:
        if feed := FEEDS.get(show_id):
            feed.is_due.set()

    def _set_readable(self, error: DatabaseFailure | None) -> None:
        was_readable, self._is_readable = self._is_readable, error is None
        if was_readable and error:  # one line for each outage
            logger.warning("Seat maps cannot be read: %s", error)
        if self._is_readable and not was_readable:
            logger.warning("Seat maps can be read again.")

    def _set_subscribed(self, is_subscribed: bool) -> None:
        self._is_subscribed = is_subscribed
        for feed in FEEDS.values():  # messages may have been lost
            feed.is_due.set()


def _read(show_id: int, *, unless_over: bool) -> SeatMap:
    try:
        if unless_over and is_over(show_id):
            raise ShowNotFound
        return unavailable_seats(show_id=show_id, caller=None)
    finally:
        close_old_connections()
