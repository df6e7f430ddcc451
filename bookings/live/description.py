"""The description of the stream in the API's schema."""

from drf_spectacular.utils import OpenApiExample, OpenApiParameter

MEDIA_TYPE = "text/event-stream"
DESCRIPTION = """\
A stream of server-sent events, for `new EventSource(url)`: the seats as a caller without a token
sees them. The address is `seats_events_url` of the show.

- `map`: all seats that can't be booked, like `GET /api/shows/{show_id}/seats?fields=status`. It
  replaces what the client knows; seats that are not in it are available.
- `seats`: only the seats that have changed, also those that are available now.
- `layout`: the layout's fingerprint, at the start and when seats or prices were replaced. If it is
  not that of the seat map on the screen, read the seat map again.
- `end`: the show is over, or no longer public. Close the EventSource; a new stream would also begin
  with `end`, or get 404.

A stream starts with `layout` and `map`. After a reconnection with `Last-Event-ID`, `seats` replaces
`map` if possible, and if nothing has changed, neither is sent. `id` is the version of the map. A
comment every 15 seconds shows that the connection works. An EventSource whose `readyState` is
`CLOSED` does not reconnect by itself, for example after a 502 of a proxy: create a new one after a
pause."""
EXAMPLE = OpenApiExample(
    "A seat is held, and is available again",
    value="""\
retry: 2000

event: layout
data: "1-5913eb4c3ecf8a48"

event: map
id: 2bb6b3c3a1f0c9d8
data: [{"id":55170,"status":"booked","state":"booked"}]

event: seats
id: 7c1b4b8e9a512d3c
data: [{"id":55168,"status":"booked","state":"held"}]

:

event: seats
id: 2bb6b3c3a1f0c9d8
data: [{"id":55168,"status":"available","state":"available"}]

""",
    media_type=MEDIA_TYPE,
)
# Without a type: tools apply it to the text of the stream, or to each event.
EVENTS = {"description": "Server-sent events."}
LAST_EVENT_ID = OpenApiParameter(
    "Last-Event-ID",
    location=OpenApiParameter.HEADER,
    description="The last `id` received. An EventSource sends it when it reconnects.",
)
