"""What each address of the back office answers, by role and action.

The table is `back_office_rights.txt`. An address or a form without a row fails, and so does a row
whose address no longer exists.
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
    action: str
    own: tuple[str, ...]  # for each of COLUMNS, the answer about data of the user's theatre
    other: tuple[str, ...]  # about data of another theatre; empty if the page has no theatre


class SampleData(NamedTuple):
    """A theatre with one object of each model; `objects` are by the model's name in the URL."""

    theatre: Theatre
    show: Show
    bare_show: Show
    order: Order
    walk_in: Order
    booking: Booking
    objects: dict[str, Model]


def make_sample(number: int) -> SampleData:
    screen = ScreenFactory()
    movie = MovieFactory()
    shows = [ShowFactory(theatre=screen.theatre, movie=movie) for _ in range(2)]
    show, bare_show = shows
    seats = make_seats(show, "SSS")
    person = UserFactory()
    order = Order.objects.create(
        reference=f"K7Q4-999{number}", user=person, show=show, total="12.00", currency="USD"
    )
    walk_in = Order.objects.create(
        reference=f"K7Q5-999{number}",
        show=show,
        channel="box_office",
        customer_name="Lena",
        total="0.00",
        currency="USD",
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
    return SampleData(screen.theatre, show, bare_show, order, walk_in, booking, objects)


# The form that is sent to an address, by the name of the action. Each is complete, so "302" means
# that it was done, and "200" that the page showed an error.
FORMS: dict[str, Callable[[SampleData], dict[str, Any]]] = {
    "save": lambda sample: {},
    "delete": lambda sample: {"post": "yes"},
    "block": lambda sample: {"action": "block", "seat": free_seat(sample), "reason": "Broken"},
    "lay": lambda sample: {
        "source": "block",
        "rows": 1,
        "seats_per_row": 2,
        "price_standard": "9.00",
        "confirm": "yes",
    },
    "sell": lambda sample: {"token": "a" * 32, "seat": free_seat(sample)},
    "erase": lambda sample: {"erase": "1"},
    "cancel": lambda sample: {"booking": sample.booking.pk, "reason": "Ill"},
    "move": lambda sample: {"seat": free_seat(sample), "reason": "Broken seat"},
    "cancel-show": lambda sample: {"reason": "No power", "orders": 1},
    "open-week": lambda sample: {},
    "free": lambda sample: {"action": "free", "seat": free_seat(sample)},
    "reprice": lambda sample: {"price_standard": "9.00", "reason": "Slow", "confirm": "yes"},
    "plan": lambda sample: {
        "movie": sample.show.movie_id,
        "screens": sample.objects["screen"].pk,
        "days": "2031-05-05",
        "times": "20:00",
        "status": "planned",
        "confirm": "yes",
    },
    "copy": lambda sample: {
        "to_week": "2031-05-14",
        "weekdays": list(range(7)),
        "screens": sample.objects["screen"].pk,
        "status": "planned",
        "confirm": "yes",
    },
    "move-show": lambda sample: {
        "screen": sample.objects["screen"].pk,
        "start_0": "2031-05-07",
        "start_1": "20:00",
        "reason": "Broken",
    },
    "swap-shows": lambda sample: {"other": sample.bare_show.pk, "reason": "Broken"},
    "import": lambda sample: {"file": SimpleUploadedFile("rows.csv", b"id\n")},
    "move-clocks": lambda sample: {"theatre": sample.theatre.pk, "seen": ""},
    "apply-duration": lambda sample: {"seen": ""},
    "send-now": lambda sample: {},
}


def free_seat(sample: SampleData) -> int:
    return sample.show.seats.order_by("-pk").values_list("pk", flat=True)[0]


def rows() -> list[Row]:
    """Read the table: page | action | own theatre | other theatre."""
    lines = TABLE.read_text().splitlines()
    cells = [
        [cell.strip() for cell in line.split("|")]
        for line in lines
        if line.strip() and not line.startswith("#")
    ]
    return [
        Row(route, action, tuple(own.split()), tuple(other.split()))
        for route, action, own, other in cells
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


def address(row: Row, sample: SampleData, *, week: str = "2031-05-05") -> str:
    """Return the address of the route with ids of the sample; `week` is a Monday."""
    own = sample.objects.get(model_of(row))
    order = sample.walk_in if "/customer/" in row.route else sample.order
    show = sample.bare_show if row.action == "lay" and "/seat-map" in row.route else sample.show
    parts = {
        "object_id": own.pk if own else "",
        "id": own.pk if own else "",
        "show_id": show.pk,
        "movie_id": sample.show.movie_id,
        "reference": order.reference,
        "booking_id": sample.booking.pk,
        "app_label": "catalog/",
        "url": "nowhere",
        "content_type_id": ContentType.objects.get_for_model(Show).pk,
    }
    if row.route.startswith("admin/r/"):
        parts["object_id"] = sample.show.pk
    filled = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(parts[found[1]]), row.route)
    # Otherwise the page would choose the first theatre of the user.
    query = f"?theatre={sample.theatre.pk}&week={week}" if row.route in OF_A_THEATRE else ""
    return f"/{filled}{query}"


OF_A_THEATRE = {
    "admin/reports/",
    *(f"admin/catalog/show/{page}/" for page in ("week", "plan", "copy-week", "open-week")),
}


def model_of(row: Row) -> str:
    return row.route.split("/")[2] if row.route.count("/") > 1 else ""


def answer(client: Client, row: Row, sample: SampleData) -> str:
    """Return the status, or "login"; for delete-all, whether the row is kept or gone."""
    target = address(row, sample)
    if row.action == "get":
        response = client.get(target)
    elif row.action == "delete-all":
        doomed = sample.objects[model_of(row)]
        form = {"action": "delete_selected", "post": "yes", "_selected_action": doomed.pk}
        response = client.post(target, form)
        if "login" not in response.headers.get("Location", ""):
            exists = type(doomed)._default_manager.filter(pk=doomed.pk).exists()
            return "kept" if exists else "gone"
    else:
        response = client.post(target, FORMS[row.action](sample))
    if response.status_code == HTTPStatus.FOUND and "/login/" in response.headers["Location"]:
        return "login"
    return str(response.status_code)


@pytest.fixture
def browsers(db: None) -> tuple[SampleData, SampleData, dict[str, Client]]:
    """Data of two theatres, and a client for each of COLUMNS; staff work in the first."""
    ensure_roles()
    own, other = make_sample(1), make_sample(2)
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
    assert {row.route for row in table if row.action == "get"} == set(routes())
    assert all(len(row.own) == len(COLUMNS) == (len(row.other) or len(COLUMNS)) for row in table)
    assert {row.action for row in table} == {"get", "delete-all", *FORMS}


@pytest.mark.parametrize("is_page", [True, False], ids=["pages", "actions"])
def test_every_cell_of_the_table_is_true(
    is_page: bool, browsers: tuple[SampleData, SampleData, dict[str, Client]]
) -> None:
    own, other, clients = browsers
    wrong = []
    for row in rows():
        if (row.action == "get") is not is_page:
            continue
        for sample, cells in ((own, row.own), (other, row.other)):
            for name, expected in zip(COLUMNS, cells, strict=bool(cells)):
                before = transaction.savepoint()
                found = answer(clients[name], row, sample)
                transaction.savepoint_rollback(before)
                if found != expected:
                    whose = "own" if sample is own else "other"
                    wrong.append(f"{row.route} {row.action}, {whose}, {name}: {found}")
    assert wrong == []


def test_no_role_deletes_what_was_sold_or_recorded() -> None:
    protected = ("order", "booking", "hold", "seat", "auditentry", "user", "signin")
    deletions = [row for row in rows() if row.action == "delete" and model_of(row) in protected]
    assert len(deletions) == len(protected)
    assert all(set(row.own[2:]) == {"403"} for row in deletions)
