"""By role, page and action: what every address of the back office answers to everybody.

The table is `back_office_rights.txt`. An address or a form without a row fails, so does a row
that is no address any more.
"""

import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_tasks_db.models import DBTaskResult

from accounts import audit
from accounts.mails import send_confirmation
from accounts.models import SignIn
from accounts.roles import ROLES, ensure_roles
from bookings.models import Booking, Hold, Order
from catalog.models import Seat, Show, Theatre
from tests.factories import (
    MovieFactory,
    PriceCardFactory,
    ScreenFactory,
    ShowFactory,
    UserFactory,
    make_seats,
)

TABLE = Path(__file__).with_name("back_office_rights.txt")
COLUMNS = ("anonymous", "customer", *ROLES, "administrator")


class Row(NamedTuple):
    route: str
    deed: str
    own: tuple[str, ...]  # an answer for each of COLUMNS, to what belongs to the own theatre
    other: tuple[str, ...]  # to what belongs to another; empty where no theatre is concerned


class House(NamedTuple):
    """One of everything, by the name that addresses use for it."""

    theatre: Theatre
    show: Show
    bare_show: Show
    order: Order
    booking: Booking
    objects: dict[str, Model]


def make_house(number: int) -> House:
    screen = ScreenFactory()
    movie = MovieFactory()
    shows = [ShowFactory(theatre=screen.theatre, movie=movie) for _ in range(2)]
    show, bare_show = shows
    seats = make_seats(show, "SSS")
    person = UserFactory()
    order = Order.objects.create(
        reference=f"K7Q4-999{number}", user=person, show=show, total="12.00", currency="USD"
    )
    booking = Booking.objects.create(
        user=person, show=show, seat=seats[0], order=order, price="12.00"
    )
    Seat.objects.filter(pk=seats[0].pk).update(status="booked")
    soon = timezone.now()
    hold = Hold.objects.create(
        user=person, show=show, seat_ids=[], expires_at=soon, max_expires_at=soon
    )
    entry = audit.record(actor=None, action="opened", subject=show, theatre_id=screen.theatre_id)
    sign_in = SignIn.objects.create(user=person, token_id=uuid4(), expires_at=soon)
    objects: dict[str, Model] = {
        "theatre": screen.theatre,
        "screen": screen,
        "show": show,
        "seat": seats[0],
        "order": order,
        "booking": booking,
        "hold": hold,
        "auditentry": entry,
        "movie": movie,
        "pricecard": PriceCardFactory(),
        "user": person,
        "signin": sign_in,
        "group": Group.objects.create(name=f"Role {number}"),
        "totpdevice": TOTPDevice.objects.create(user=person, name="app"),
        "accessattempt": AccessAttempt.objects.create(
            username=f"guess{number}", failures_since_start=1
        ),
        "dbtaskresult": DBTaskResult.objects.get(pk=send_confirmation.enqueue(person.pk).id),
    }
    return House(screen.theatre, show, bare_show, order, booking, objects)


# What is sent to an address, by the name of the deed in the table. Each is complete enough
# to be done, so that "200" and "302" mean that the page let it happen or said what is wrong.
FORMS: dict[str, Callable[[House], dict[str, Any]]] = {
    "save": lambda house: {},
    "delete": lambda house: {"post": "yes"},
    "block": lambda house: {"action": "block", "seat": free_seat(house), "reason": "Broken"},
    "lay": lambda house: {
        "source": "block",
        "rows": 1,
        "seats_per_row": 2,
        "price_standard": "9.00",
        "confirm": "yes",
    },
    "sell": lambda house: {"token": "a" * 32, "seat": free_seat(house)},
    "cancel": lambda house: {"booking": house.booking.pk, "reason": "Ill"},
    "move": lambda house: {"seat": free_seat(house), "reason": "Broken seat"},
    "cancel-show": lambda house: {"reason": "No power", "orders": 1},
    "open-week": lambda house: {},
    "free": lambda house: {"action": "free", "seat": free_seat(house)},
    "reprice": lambda house: {"price_standard": "9.00", "reason": "Slow", "confirm": "yes"},
    "plan": lambda house: {
        "movie": house.show.movie_id,
        "screens": house.objects["screen"].pk,
        "days": "2031-05-05",
        "times": "20:00",
        "status": "planned",
        "confirm": "yes",
    },
    "copy": lambda house: {
        "to_week": "2031-05-14",
        "weekdays": list(range(7)),
        "screens": house.objects["screen"].pk,
        "status": "planned",
        "confirm": "yes",
    },
    "move-show": lambda house: {
        "screen": house.objects["screen"].pk,
        "start_0": "2031-05-07",
        "start_1": "20:00",
        "reason": "Broken",
    },
    "swap-shows": lambda house: {"other": house.bare_show.pk, "reason": "Broken"},
    "import": lambda house: {"file": SimpleUploadedFile("rows.csv", b"id\n")},
    "apply-duration": lambda house: {"seen": ""},
}


def free_seat(house: House) -> int:
    return house.show.seats.order_by("-pk").values_list("pk", flat=True)[0]


def rows() -> list[Row]:
    """Read the table: page | deed | own theatre | other theatre."""
    lines = TABLE.read_text().splitlines()
    cells = [
        [cell.strip() for cell in line.split("|")]
        for line in lines
        if line.strip() and not line.startswith("#")
    ]
    return [
        Row(route, deed, tuple(own.split()), tuple(other.split()))
        for route, deed, own, other in cells
    ]


def routes() -> Iterator[str]:
    """Every address of the back office, as the resolver has it."""

    def walk(patterns: list[Any], prefix: str) -> Iterator[str]:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, f"{prefix}{pattern.pattern}")
            elif isinstance(pattern, URLPattern):
                yield f"{prefix}{pattern.pattern}"

    for route in walk(get_resolver().url_patterns, ""):
        if route.startswith("admin/"):
            yield re.sub(r"\^?\(\?P<(\w+)>.*", r"<\1>", route)


def address(row: Row, house: House, *, week: str = "2031-05-05") -> str:
    """Fill in the route what the house has; `week` is the Monday of the week to look at."""
    own = house.objects.get(model_of(row))
    show = house.bare_show if row.deed == "lay" and "/seat-map" in row.route else house.show
    parts = {
        "object_id": own.pk if own else "",
        "id": own.pk if own else "",
        "show_id": show.pk,
        "movie_id": house.show.movie_id,
        "reference": house.order.reference,
        "booking_id": house.booking.pk,
        "app_label": "catalog/",
        "url": "nowhere",
        "content_type_id": ContentType.objects.get_for_model(Show).pk,
    }
    if row.route.startswith("admin/r/"):
        parts["object_id"] = house.show.pk
    filled = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(parts[found[1]]), row.route)
    # Else the page would choose a theatre of one's own.
    query = f"?theatre={house.theatre.pk}&week={week}" if row.route in OF_A_THEATRE else ""
    return f"/{filled}{query}"


OF_A_THEATRE = {
    "admin/reports/",
    *(f"admin/catalog/show/{page}/" for page in ("week", "plan", "copy-week", "open-week")),
}


def model_of(row: Row) -> str:
    return row.route.split("/")[2] if row.route.count("/") > 1 else ""


def answer(client: Client, row: Row, house: House) -> str:
    """Return the status, "login" where one is asked for, and of a list what became of the row."""
    target = address(row, house)
    if row.deed == "get":
        response = client.get(target)
    elif row.deed == "delete-all":
        doomed = house.objects[model_of(row)]
        form = {"action": "delete_selected", "post": "yes", "_selected_action": doomed.pk}
        response = client.post(target, form)
        if "login" not in response.headers.get("Location", ""):
            kept = type(doomed)._default_manager.filter(pk=doomed.pk).exists()
            return "kept" if kept else "gone"
    else:
        response = client.post(target, FORMS[row.deed](house))
    if response.status_code == HTTPStatus.FOUND and "/login/" in response.headers["Location"]:
        return "login"
    return str(response.status_code)


@pytest.fixture
def browsers(db: None) -> tuple[House, House, dict[str, Client]]:
    """Two houses, and a browser for each of COLUMNS whose staff work in the first."""
    ensure_roles()
    own, other = make_house(1), make_house(2)
    clients = {name: Client() for name in COLUMNS}
    clients["customer"].force_login(UserFactory(), backend=BACKEND)
    for role in ROLES:
        user = UserFactory(is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        own.theatre.staff.add(user)
        clients[role].force_login(user, backend=BACKEND)
    boss = UserFactory(is_staff=True, is_superuser=True)
    clients["administrator"].force_login(boss, backend=BACKEND)
    return own, other, clients


BACKEND = "django.contrib.auth.backends.ModelBackend"


def test_every_address_has_its_rows() -> None:
    table = rows()
    assert {row.route for row in table} == set(routes())
    assert {row.route for row in table if row.deed == "get"} == set(routes())
    assert all(len(row.own) == len(COLUMNS) == (len(row.other) or len(COLUMNS)) for row in table)
    assert {row.deed for row in table} == {"get", "delete-all", *FORMS}


@pytest.mark.parametrize("looking", [True, False], ids=["pages", "deeds"])
def test_every_cell_of_the_table_is_true(
    looking: bool, browsers: tuple[House, House, dict[str, Client]]
) -> None:
    own, other, clients = browsers
    wrong = []
    for row in rows():
        if (row.deed == "get") is not looking:
            continue
        for house, cells in ((own, row.own), (other, row.other)):
            for name, expected in zip(COLUMNS, cells, strict=bool(cells)):
                before = transaction.savepoint()
                found = answer(clients[name], row, house)
                transaction.savepoint_rollback(before)
                if found != expected:
                    whose = "own" if house is own else "other"
                    wrong.append(f"{row.route} {row.deed}, {whose}, {name}: {found}")
    assert wrong == []


def test_no_role_deletes_what_was_sold_or_recorded() -> None:
    kept = ("order", "booking", "hold", "seat", "auditentry", "user", "signin")
    deletions = [row for row in rows() if row.deed == "delete" and model_of(row) in kept]
    assert len(deletions) == len(kept)
    assert all(set(row.own[2:]) == {"403"} for row in deletions)
