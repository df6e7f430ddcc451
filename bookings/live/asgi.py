"""The ASGI application of the live process, which serves thousands of open streams.

Requests go through the same middleware and view as in a web process, in threads; the event loop
continues the streams. Django's own ASGI handler would occupy a thread for each open stream,
because the middleware is synchronous.
"""

import asyncio
import logging
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "booking_site.settings")
os.environ["PROCESS_ROLE"] = "live"  # overrides the environment
django.setup(set_prefix=False)

from django.core import signals  # noqa: E402
from django.core.handlers.asgi import ASGIRequest  # noqa: E402
from django.core.handlers.base import BaseHandler  # noqa: E402
from django.http import HttpResponse  # noqa: E402

from accounts.client_address import client_address  # noqa: E402
from bookings.live.hub import Hub  # noqa: E402
from bookings.live.views import RETRY, STREAMS, EventStream  # noqa: E402

THREADS = 4

logger = logging.getLogger(__name__)


class Application:
    _hub: Hub  # made in the event loop

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "request")
        self._handler = BaseHandler()
        self._handler.load_middleware()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._run(receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _run(self, receive: Any, send: Any) -> None:
        await receive()
        loop = asyncio.get_running_loop()
        self._hub = Hub()
        for number in (signal.SIGTERM, signal.SIGINT):
            # In addition to granian's own handler, which waits until the streams end.
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._hub.drain))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._hub.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        request = ASGIRequest(scope, BytesIO())
        address = client_address(request) or ""
        STREAMS[address] += 1
        try:
            loop = asyncio.get_running_loop()
            response = await loop.run_in_executor(self._threads, self._get_response, request)
            is_open = isinstance(response, EventStream) and request.method == "GET"
            del request
            await _start(response, send)
            if not is_open:
                await send({"type": "http.response.body", "body": response.content})
                return
            streaming = loop.create_task(self._stream(response, send))
            # Frees the memory, as there are thousands of listeners.
            del response
            scope.clear()
            while (await receive())["type"] != "http.disconnect":
                pass
            streaming.cancel()
        finally:
            STREAMS[address] -= 1
            if not STREAMS[address]:
                del STREAMS[address]

    async def _stream(self, stream: EventStream, send: Any) -> None:
        """Send the events of a stream until it ends, or until this task is cancelled."""
        try:
            with self._hub.listener(stream) as listener:
                del stream
                await _send(RETRY + listener.first_events(), send)
                while events := await listener.next_events():
                    await _send(events, send)
                await _send(listener.last_events(), send)
        except Exception:
            logger.exception("A stream ended with an error.")
        await _send(b"", send)

    def _get_response(self, request: ASGIRequest) -> Any:
        signals.request_started.send(sender=type(self))
        response = self._handler.get_response(request)
        response.close()  # sends `request_finished`, which returns the connection
        return response


async def _start(response: HttpResponse, send: Any) -> None:
    if isinstance(response, EventStream):
        del response["Content-Length"]
    headers = [(name.encode(), value.encode("latin-1")) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})


async def _send(events: bytes, send: Any) -> None:
    """Send events, or end the stream if there are none. Wait while the server's buffer is full."""
    await send({"type": "http.response.body", "body": events, "more_body": bool(events)})


application = Application()
