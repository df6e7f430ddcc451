"""Which events lead from one map to the next."""

import json
import tracemalloc
from typing import Any

from booking_site.http.middleware import etag_of
from bookings.live.feeds import MAX_CHANGES, SeatFeed, Version, version_of
from bookings.seat_map import SeatMap

BOOKED = {"status": "booked", "state": "booked"}
HELD = {"status": "booked", "state": "held"}
AVAILABLE = {"status": "available", "state": "available"}


def map_of(layout: str = "1-a", **seats: dict[str, str]) -> SeatMap:
    listed = [{"id": int(name[1:]), **state} for name, state in seats.items()]
    body = json.dumps(listed).encode()
    return SeatMap(body, etag_of(body), layout)


def events(text: bytes) -> list[tuple[str, str, Any]]:
    found = []
    for block in text.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        data = json.loads(fields["data"]) if "data" in fields else None
        found.append((fields.get("event", ""), fields.get("id", ""), data))
    return found


def test_a_new_client_gets_the_layout_and_the_map() -> None:
    seat_map = map_of(s1=BOOKED)
    version = version_of(seat_map).map
    assert events(SeatFeed(5, seat_map).first_events("")) == [
        ("layout", "", "1-a"),
        ("map", version, [{"id": 1, **BOOKED}]),
    ]


def test_a_client_with_the_current_version_gets_no_seats() -> None:
    seat_map = map_of(s1=BOOKED)
    version = version_of(seat_map).map
    assert events(SeatFeed(5, seat_map).first_events(version)) == [
        ("layout", "", "1-a"),
        ("", version, None),
    ]


def test_ids_that_clients_invent_take_no_memory() -> None:
    feed = SeatFeed(5, map_of(s1=BOOKED))
    feed.first_events("")
    tracemalloc.start()
    for number in range(200):
        feed.first_events(f"{number:04}" * 1000)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 100_000


def test_an_event_has_the_seats_that_changed_and_those_that_became_available() -> None:
    old, new = map_of(s1=BOOKED, s2=HELD, s3=HELD), map_of(s1=BOOKED, s3=BOOKED, s4=HELD)
    feed = SeatFeed(5, old)
    assert feed.update(new)
    ((name, version, seats),) = events(feed.events_since(version_of(old)))
    assert (name, version) == ("seats", version_of(new).map)
    assert sorted(seats, key=lambda seat: seat["id"]) == [
        {"id": 2, **AVAILABLE},
        {"id": 3, **BOOKED},
        {"id": 4, **HELD},
    ]


def test_changes_since_an_older_version_are_one_event_with_the_last_states() -> None:
    maps = [map_of(), map_of(s1=HELD), map_of(s1=BOOKED, s2=HELD), map_of(s1=BOOKED)]
    feed = SeatFeed(5, maps[0])
    for seat_map in maps[1:]:
        feed.update(seat_map)
    ((name, _, seats),) = events(feed.events_since(version_of(maps[1])))
    assert name == "seats"
    assert {seat["id"]: seat["state"] for seat in seats} == {1: "booked", 2: "available"}
    # The first and the third version can have the same hash: the later one counts.
    feed.update(maps[0])
    feed.update(maps[1])
    ((_, _, seats),) = events(feed.events_since(version_of(maps[0])))
    assert {seat["id"]: seat["state"] for seat in seats} == {1: "held"}


def test_an_unknown_version_gets_the_whole_map() -> None:
    old = map_of(s1=HELD)
    feed = SeatFeed(5, old)
    for number in range(MAX_CHANGES + 1):
        feed.update(map_of(s2=HELD) if number % 2 else map_of(s3=HELD))
    for version in (version_of(old), Version("never", "1-a")):
        ((name, _, seats),) = events(feed.events_since(version))
        assert (name, seats) == ("map", json.loads(feed.seat_map.body))


def test_a_new_layout_sends_the_whole_map() -> None:
    old = map_of(s1=HELD)
    feed = SeatFeed(5, old)
    feed.update(map_of("1-b", s7=BOOKED))
    layout, seats = events(feed.events_since(version_of(old)))
    assert layout == ("layout", "", "1-b")
    assert seats[::2] == ("map", [{"id": 7, **BOOKED}])


def test_an_unchanged_map_wakes_no_listener() -> None:
    feed = SeatFeed(5, map_of(s1=HELD))
    assert not feed.update(map_of(s1=HELD))
    assert feed.events_since(feed.version) == b""
