"""Receives from Redis the ids of shows whose seats have changed."""

import logging
import re
import time
from collections.abc import Callable
from contextlib import closing
from threading import Event, Thread
from typing import Any

from django_redis import get_redis_connection
from redis.exceptions import ConnectionError as RedisConnectionError

from booking_site.redis_client import PERIOD_SECONDS
from catalog.seat_changes import CHANNEL

logger = logging.getLogger(__name__)

# Seconds without a message after which Redis is pinged, and in which it must then respond.
SILENCE_SECONDS = 1.0
ID = re.compile(rb"[0-9]{1,18}")


class Subscription:
    """One subscription for the process, in a thread of its own.

    The callbacks run in that thread: `on_change` with each id, and `on_state` with whether Redis
    responds. While it does not, and from one connection to the next, messages are lost.
    """

    def __init__(
        self, on_change: Callable[[int], object], on_state: Callable[[bool], object]
    ) -> None:
        self._on_change = on_change
        self._on_state = on_state
        self._stopped = Event()
        self._is_down = False
        Thread(target=self._run, name="subscription", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            # Also the errors of the parser if the server is not Redis.
            except Exception as error:
                if not self._is_down:  # one line for each outage
                    logger.warning(
                        "Redis does not respond; seat maps are read regularly: %s", error
                    )
                self._is_down = True
                self._on_state(False)
                self._stopped.wait(PERIOD_SECONDS)

    def _listen(self) -> None:
        # The connection has the timeouts of the cache, and Sentinel's client finds the server.
        with closing(get_redis_connection("default").pubsub()) as pubsub:
            pubsub.subscribe(CHANNEL)
            heard_at = time.monotonic()
            while not self._stopped.is_set():
                message = pubsub.get_message(timeout=SILENCE_SECONDS)
                if message:
                    heard_at = time.monotonic()
                    self._handle(message)
                elif time.monotonic() - heard_at > 2 * SILENCE_SECONDS:
                    raise RedisConnectionError("It does not answer a PING.")
                else:
                    pubsub.ping()

    def _handle(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":
            if self._is_down:
                logger.warning("Redis responds again.")
            self._is_down = False
            self._on_state(True)
        elif message["type"] == "message" and ID.fullmatch(message["data"]):
            self._on_change(int(message["data"]))
