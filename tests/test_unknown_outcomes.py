"""A write whose COMMIT has an unknown outcome gets 503 `outcome_unknown`, never a success."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import links
from accounts.guests import create_guest
from accounts.mails import send_password_reset
from accounts.models import User
from accounts.tokens import issue_tokens
from booking_site.postgres.pipeline import CommitUnknown
from booking_site.tasks.worker import Worker
from bookings import confirmations
from bookings.models import Order
from catalog.models import Movie, Seat, SeatStatus
from tests.accounts.conftest import PASSWORD
from tests.bookings.calls import bought, held, refusal
from tests.factories import ShowFactory, UserFactory, make_seats
from tests.test_foreign_access import CALLS, NEW_USER, Call

pytestmark = pytest.mark.django_db(transaction=True)

# The outcome of a purchase is looked up: see tests/faults/test_standby.py.
WRITES = [call for call in CALLS if call.method != "GET" and str(call) != "POST /api/bookings"]
NEW_PASSWORD = "nine newts under stones"


WARN = "RAISE WARNING 'canceling wait'"
TERMINATE = "PERFORM pg_terminate_backend(pg_backend_pid())"
both_ends = pytest.mark.parametrize("break_commit", [WARN, TERMINATE], indirect=True)


@pytest.fixture
def break_commit(request: pytest.FixtureRequest) -> Iterator[Callable[[], None]]:
    """Make every COMMIT that changed a row end with a warning, or with the end of its connection.

    PostgreSQL warns so when an administrator cancels the wait for a synchronous standby.
    """
    action = getattr(request, "param", WARN)

    def arrange() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"""
                CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN {action}; RETURN NULL; END $$
            """)
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"""
                    CREATE CONSTRAINT TRIGGER act AFTER INSERT OR UPDATE OR DELETE ON {table}
                        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION act()
                """)

    yield arrange
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION IF EXISTS act CASCADE")


@pytest.fixture
def person() -> User:
    user: User = UserFactory(password=PASSWORD)
    return user


@pytest.fixture
def seats() -> list[Seat]:
    return make_seats(ShowFactory(), "SSSS")


@pytest.fixture
def api_client(person: User, login: Callable[[User], APIClient]) -> APIClient:
    return login(person)


@pytest.fixture
def request_of(
    person: User, seats: list[Seat], api_client: APIClient
) -> Callable[[Call], tuple[dict[str, object], dict[str, object]]]:
    """Return the body and the parts of the address with which a call succeeds."""
    purchase = bought(api_client, seats[0])
    parts: dict[str, dict[str, object]] = {
        "booking": {"id": purchase["booking"]["id"]},
        "order": {"reference": purchase["order"]["reference"]},
        "hold": {"id": held(api_client, seats[1])["id"]},
    }
    refresh = {"refresh": issue_tokens(person).refresh}
    link = {"uid": str(person.pk), "token": links.confirmation_tokens.make_token(person)}
    guest = create_guest(name="Gil", email="gil@example.com", language="en").user
    bodies: dict[str, dict[str, object]] = {
        "POST /api/auth/guest": {"name": "Gus", "email": "gus@example.com"},
        "POST /api/auth/guest/claim": {
            "uid": str(guest.pk),
            "token": links.claim_tokens.make_token(guest),
        },
        "POST /api/auth/register": {**NEW_USER},
        "POST /api/auth/login": {"email": person.email, "password": PASSWORD},
        "POST /api/auth/refresh": {**refresh},
        "POST /api/auth/logout": {**refresh},
        "POST /api/auth/password/reset": {"email": person.email},
        "POST /api/auth/password/reset/confirm": {
            "uid": str(person.pk),
            "reset_token": links.reset_tokens.make_token(person),
            "new_password": NEW_PASSWORD,
        },
        "POST /api/auth/email/confirm": {**link},
        "PATCH /api/auth/me": {"name": "Pia"},
        "DELETE /api/auth/me": {"password": PASSWORD},
        "POST /api/auth/password/change": {
            "current_password": PASSWORD,
            "new_password": NEW_PASSWORD,
        },
        "POST /api/holds": {"show_id": seats[0].show_id, "seat_ids": [seats[2].pk]},
    }
    return lambda call: (bodies.get(str(call), {}), parts.get(call.kind, {}))


Request = Callable[[Call], tuple[dict[str, object], dict[str, object]]]


@both_ends
@pytest.mark.parametrize("call", WRITES, ids=str)
def test_a_write_of_the_api_gets_outcome_unknown(
    call: Call, request_of: Request, api_client: APIClient, break_commit: Callable[[], None]
) -> None:
    body, parts = request_of(call)
    break_commit()
    answer = call.by(api_client, body, **parts)
    assert refusal(answer) == (503, "outcome_unknown")
    assert "Retry-After" in answer


@pytest.mark.parametrize("call", WRITES, ids=str)
def test_the_same_write_succeeds_otherwise(
    call: Call, request_of: Request, api_client: APIClient
) -> None:
    """Guards the test above: the calls are complete."""
    body, parts = request_of(call)
    assert call.by(api_client, body, **parts).status_code < 300


# The back office


@pytest.fixture
def browser(office: Client) -> Client:
    office.raise_request_exception = False
    return office


def is_unknown(page: Any) -> bool:
    return page.status_code == 503 and "could not determine" in page.text


def test_a_sale_at_the_box_office_gets_outcome_unknown(
    browser: Client, seats: list[Seat], break_commit: Callable[[], None]
) -> None:
    """The form can be sent again, and sells nothing twice."""
    address = reverse("box-office-sell", args=[seats[0].show_id])
    form = {"token": "a" * 32, "seat": [seats[0].pk]}
    break_commit()
    assert is_unknown(browser.post(address, form, HTTP_ACCEPT="text/html"))
    order = Order.objects.get()
    again = browser.post(address, form)
    assert again.url == reverse("box-office-order", args=[order.reference])
    assert Order.objects.count() == 1


def test_no_mail_is_sent_while_its_claim_can_be_lost(
    seats: list[Seat], api_client: APIClient, break_commit: Callable[[], None]
) -> None:
    """The COMMIT of a claim comes after that of the purchase, and waits for the standby."""
    bought(api_client, seats[0])
    send_password_reset.enqueue(email=UserFactory().email)
    break_commit()
    for send_next in (confirmations.send_next, Worker().do_next_task):
        with pytest.raises(CommitUnknown):
            send_next()
    assert not mail.outbox


def test_other_changes_in_the_back_office_get_outcome_unknown(
    browser: Client, seats: list[Seat], api_client: APIClient, break_commit: Callable[[], None]
) -> None:
    bought(api_client, *seats[:2])
    order = Order.objects.get()
    kept, moved = order.bookings.order_by("pk")
    show = seats[0].show_id
    start = timezone.now().date().isoformat()
    changes: dict[str, dict[str, object]] = {
        reverse("box-office-move", args=[order.reference, moved.pk]): {
            "seat": seats[2].pk,
            "reason": "Broken",
        },
        reverse("box-office-order", args=[order.reference]): {"booking": kept.pk, "reason": "Ill"},
        f"/admin/catalog/show/{show}/cancel/": {"orders": 1, "reason": "Fire"},
        reverse("admin:catalog_movie_add"): {"title": "Heat", "release_date": start},
    }
    break_commit()
    for address, form in changes.items():
        assert is_unknown(browser.post(address, form, HTTP_ACCEPT="text/html")), address
    assert Movie.objects.filter(title="Heat").exists()
    assert Seat.objects.get(pk=seats[2].pk).status == SeatStatus.BOOKED
