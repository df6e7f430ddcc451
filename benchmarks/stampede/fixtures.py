"""The customers and shows of a run: created in its own database, or found on a running site."""

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
from benchmarks.stampede.plan import Account, PlannedSeat, PlannedShow
from catalog.layouts import parse_layout
from catalog.models import GapRule, Movie, Screen, Seat, Show, Theatre
from catalog.seat_maps import make_seat_map

SEATS_PER_ACCOUNT = 8  # more than a customer books, so that some are always available
ROWS, ROW_LENGTH = 15, 20
HOT_SEATS = 10
PRICES = {"standard": Decimal("12.50"), "premium": Decimal("16.90")}
MOST_SHOWS = 8


class SiteUnusable(Exception):
    """The site does not offer what a run needs."""


def create_accounts(count: int) -> list[Account]:
    """Insert users into the database: hashing hundreds of passwords takes long."""
    users = User.objects.bulk_create(
        User(name=f"Customer {number}", email=f"customer{number}@example.com")
        for number in range(count)
    )
    return [
        Account(
            user.pk,
            str(AccessToken.for_caller(user_id=user.pk, token_version=user.token_version)),
        )
        for user in users
    ]


def create_shows(accounts: int) -> list[PlannedShow]:
    """Create a show of one row, one with the single-gap rule, and others without rules."""
    plain = max(1, accounts * SEATS_PER_ACCOUNT // (ROWS * ROW_LENGTH) - 1)
    return [
        _create_show("One row", "S" * HOT_SEATS, rows=1, gap_rule=GapRule.OFF),
        _create_show("Rules", "SSSSSSSS..SSSSSSSS", rows=ROWS, gap_rule=GapRule.MIDDLE_ONLY),
        *(
            _create_show(f"Plain {n}", f"{'S' * 10}.{'P' * 10}", rows=ROWS, gap_rule=GapRule.OFF)
            for n in range(plain)
        ),
    ]


def _create_show(name: str, cells: str, *, rows: int, gap_rule: GapRule) -> PlannedShow:
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
    return PlannedShow(
        show_id=show.pk,
        seats=[PlannedSeat(seat.pk, seat.row, seat.number, str(seat.price)) for seat in seats],
        taken=[],
    )


def require_ready(servers: list[str]) -> None:
    """Raise SiteUnusable naming the server that is not ready."""
    for server in servers:
        _call(server, "GET", "/readyz")


def register_accounts(server: str, count: int) -> list[Account]:
    """Register new customers, one by one. Raise SiteUnusable if the site refuses."""
    accounts = []
    for _ in range(count):
        body = {
            "name": "Customer",
            "email": f"{uuid4()}@example.com",
            # Unlike the address, or the password counts as similar to it.
            "password": secrets.token_urlsafe(24),
        }
        registered = _call(server, "POST", "/api/auth/register", body)
        accounts.append(Account(registered["id"], registered["token"]))
    return accounts


def find_shows(server: str) -> list[PlannedShow]:
    """Return the next shows on sale. Raise SiteUnusable if none has available seats."""
    shows = [show for show in _call(server, "GET", "/api/shows") if show["seats_available"]]
    if not shows:
        raise SiteUnusable("There is no show with available seats.")
    return [_find_show(server, show["id"]) for show in shows[:MOST_SHOWS]]


def hot_seats_of(show: PlannedShow) -> list[int]:
    return [seat.id for seat in show.seats if seat.id not in set(show.taken)][:HOT_SEATS]


def _find_show(server: str, show_id: int) -> PlannedShow:
    seats = _call(server, "GET", f"/api/shows/{show_id}/seats")
    return PlannedShow(
        show_id=show_id,
        seats=[
            PlannedSeat(seat["id"], seat["row"], seat["number"], seat["price"]) for seat in seats
        ],
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
        raise SiteUnusable(f"{server} does not answer: {error}.") from error
    finally:
        connection.close()
    if response.status >= 400:
        text = " ".join(answer[:300].decode(errors="replace").split())
        raise SiteUnusable(f"{server} returned {response.status} for {method} {path}: {text}")
    try:
        return json.loads(answer)
    except ValueError as error:
        raise SiteUnusable(f"{server} returned no JSON for {method} {path}.") from error
