"""`GET /api/shows/{id}/seats/events`, by a web process or by the live process.

The live process leaves the stream open (`bookings.live.asgi`). A web process sends the events so
far and ends the stream, and an EventSource reconnects after two seconds. So the address works
whichever of the two a proxy sends it to.
"""

from collections import Counter
from http import HTTPStatus

from django.conf import settings
from django.db.models.functions import Coalesce, Now
from django.http import HttpResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from accounts.client_address import client_address
from accounts.throttling import ReadThrottle
from booking_site.api.errors import DomainError
from booking_site.api.openapi.schema import operation
from bookings.live.description import DESCRIPTION, EVENTS, EXAMPLE, LAST_EVENT_ID, MEDIA_TYPE
from bookings.live.feeds import SeatFeed
from bookings.seat_map import SeatMap, unavailable_seats
from catalog.errors import ShowNotFound
from catalog.models import Show

RETRY = b"retry: 2000\n\n"  # milliseconds after which an EventSource reconnects
# A client that does not close its EventSource reconnects once an hour.
END = b"event: end\ndata: {}\nretry: 3600000\n\n"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

# Of the live process: the feeds by show, and the open streams by address.
FEEDS: dict[int, SeatFeed] = {}
STREAMS: Counter[str] = Counter()


class TooManyStreams(DomainError):
    """The address has too many open streams of seats (`LIVE_STREAMS_PER_ADDRESS`)."""

    code = "too_many_streams"
    status = HTTPStatus.TOO_MANY_REQUESTS
    message = _("Too many open connections. Close other windows of this site, or try again later.")
    retry_after = 30


def is_over(show_id: int) -> bool:
    """Return whether the show has ended, so that its seats will not change."""
    ended = Coalesce("end_time", "start_time")
    return Show.objects.alias(ended=ended).filter(pk=show_id, ended__lt=Now()).exists()


class EventStream(HttpResponse):
    """The first events of a stream, and what the live process needs to continue it."""

    def __init__(self, show_id: int, seat_map: SeatMap, last_event_id: str) -> None:
        self.show_id = show_id
        self.seat_map = seat_map
        self.last_event_id = last_event_id
        events = SeatFeed(show_id, seat_map).first_events(last_event_id)
        super().__init__(RETRY + events, content_type=MEDIA_TYPE, headers=HEADERS)


class _EventStreamRenderer(BaseRenderer):
    media_type = MEDIA_TYPE
    format = "event-stream"


class SeatEventsViewSet(ViewSet):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (ReadThrottle,)
    renderer_classes = (_EventStreamRenderer,)
    pagination_class = None

    @operation(
        "show_seats_events",
        summary="Follow the seats of a show",
        description=DESCRIPTION,
        examples=[EXAMPLE],
        parameters=[LAST_EVENT_ID],
        responses={(200, MEDIA_TYPE): EVENTS},
        problems=[ShowNotFound, TooManyStreams],
    )
    def retrieve(self, request: Request, show_id: int) -> HttpResponse:
        address = client_address(request._request)
        if STREAMS[address or ""] > settings.LIVE_STREAMS_PER_ADDRESS:
            raise TooManyStreams
        if is_over(show_id):
            return HttpResponse(END, content_type=MEDIA_TYPE, headers=HEADERS)
        feed = FEEDS.get(show_id)
        seat_map = feed.seat_map if feed else unavailable_seats(show_id=show_id, caller=None)
        return EventStream(show_id, seat_map, request.META.get("HTTP_LAST_EVENT_ID", ""))


SEAT_EVENTS = path(
    "shows/<bigint:show_id>/seats/events", SeatEventsViewSet.as_view({"get": "retrieve"})
)
