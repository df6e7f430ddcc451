"""Where a run plays: made in a database of its own, or found on a site that others run."""

import json
import secrets
from datetime import timedelta
from decimal import Decimal
from http.client import HTTPException
from typing import Any
from uuid import uuid4

from django.db.models.functions import Length
from django.utils import timezone

from accounts.models import User
from accounts.tokens import AccessToken
from benchmarks.stampede.client import connect_to
from benchmarks.stampede.plan import Person, Room, Spot
from catalog.layouts import parse_layout
from catalog.models import GapRule, Movie, Screen, Seat, Show, Theatre
from catalog.seat_maps import make_seat_map

SEATS_PER_PERSON = 8  # more than a customer keeps, so that some are always free
ROWS, ROW_LENGTH = 15, 20
HOT_SEATS = 10
PRICES = {"standard": Decimal("12.50"), "premium": Decimal("16.90")}
MOST_ROOMS = 8


class NothingToPlayWith(Exception):
    """The site does not offer what a run needs."""


def make_people(count: int) -> list[Person]:
    """Make users straight in the database: hashing hundreds of passwords takes long."""
    users = User.objects.bulk_create(
        User(name=f"Customer {number}", email=f"customer{number}@example.com")
        for number in range(count)
    )
    return [
        Person(
            user.pk,
            str(AccessToken.for_caller(user_id=user.pk, token_version=user.token_version)),
        )
        for user in users
    ]


def make_rooms(people: int) -> list[Room]:
    """Make a room of one row, one where no single seat may be left, and others without rules."""
    plain = max(1, people * SEATS_PER_PERSON // (ROWS * ROW_LENGTH) - 1)
    return [
        _make_room("One row", "S" * HOT_SEATS, rows=1, gap_rule=GapRule.OFF),
        _make_room("Rules", "SSSSSSSS..SSSSSSSS", rows=ROWS, gap_rule=GapRule.MIDDLE_ONLY),
        *(
            _make_room(f"Plain {n}", f"{'S' * 10}.{'P' * 10}", rows=ROWS, gap_rule=GapRule.OFF)
            for n in range(plain)
        ),
    ]


def _make_room(name: str, cells: str, *, rows: int, gap_rule: GapRule) -> Room:
    theatre = Theatre.objects.create(name=name, gap_rule=gap_rule)
    layout = "".join(f"{chr(ord('A') + row)}  {cells}\n" for row in range(rows))
    start = timezone.now() + timedelta(days=2)
    show = Show.objects.create(
        movie=Movie.objects.create(title=name, duration_minutes=90),
        theatre=theatre,
        screen=Screen.objects.create(theatre=theatre, name="1", layout=layout),
        start_time=start,
        end_time=start + timedelta(minutes=90),
        occupied_until=start + timedelta(minutes=110),
    )
    make_seat_map(show_id=show.pk, layout=parse_layout(layout), prices=PRICES)
    seats = Seat.objects.filter(show=show).order_by(Length("row"), "row", "number")
    return Room(
        show_id=show.pk,
        spots=[Spot(seat.pk, seat.row, seat.number, str(seat.price)) for seat in seats],
        taken=[],
    )


def require_ready(servers: list[str]) -> None:
    """Raise NothingToPlayWith naming the server that cannot be played on."""
    for server in servers:
        _call(server, "GET", "/readyz")


def register_people(server: str, count: int) -> list[Person]:
    """Register new customers, one by one. Raise NothingToPlayWith when the site refuses."""
    people = []
    for _ in range(count):
        body = {
            "name": "Customer",
            "email": f"{uuid4()}@example.com",
            # Not in the letters of the address, or it may pass for similar.
            "password": secrets.token_urlsafe(24),
        }
        registered = _call(server, "POST", "/api/auth/register", body)
        people.append(Person(registered["id"], registered["token"]))
    return people


def find_rooms(server: str) -> list[Room]:
    """Take the next shows on sale. Raise NothingToPlayWith when there is none with free seats."""
    shows = [show for show in _call(server, "GET", "/api/shows") if show["seats_available"]]
    if not shows:
        raise NothingToPlayWith("There is no show with free seats.")
    return [_find_room(server, show["id"]) for show in shows[:MOST_ROOMS]]


def hot_seats_of(room: Room) -> list[int]:
    return [spot.id for spot in room.spots if spot.id not in set(room.taken)][:HOT_SEATS]


def _find_room(server: str, show_id: int) -> Room:
    seats = _call(server, "GET", f"/api/shows/{show_id}/seats")
    return Room(
        show_id=show_id,
        spots=[Spot(seat["id"], seat["row"], seat["number"], seat["price"]) for seat in seats],
        taken=[seat["id"] for seat in seats if seat["state"] != "available"],
    )


def _call(server: str, method: str, path: str, body: Any = None) -> Any:
    connection = connect_to(server)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    except (OSError, HTTPException, ValueError) as error:
        raise NothingToPlayWith(f"{server} does not answer: {error}.") from error
    finally:
        connection.close()
    if response.status >= 400:
        text = " ".join(answer[:300].decode(errors="replace").split())
        raise NothingToPlayWith(f"{server} answers {response.status} to {method} {path}: {text}")
    try:
        return json.loads(answer)
    except ValueError as error:
        raise NothingToPlayWith(f"{server} answers {method} {path} with no JSON.") from error
