"""Every write of seats is published, after its COMMIT."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone
from django_redis import get_redis_connection
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services import remove_person
from booking_site.tasks.worker import Worker
from bookings.box_office.services import (
    Purchase,
    cancel_at_counter,
    move_at_counter,
    sell_at_counter,
)
from bookings.models import Order
from bookings.services import archiving
from bookings.show_changes import moving
from bookings.show_changes.cancelling import cancel_show
from catalog.models import Seat, Show
from catalog.repricing import reprice_unsold
from catalog.seat_changes import CHANNEL, publish_seat_changes
from catalog.seat_maps import block_seats, make_seat_map, prices_of, replace_seat_map, unblock_seats
from tests.bookings.calls import book, bought, held, let_expire
from tests.factories import MovieFactory, PriceCardFactory, ScreenFactory, planned_show
from tests.web import ROOT

pytestmark = pytest.mark.django_db(transaction=True)

APPS = ("accounts", "bookings", "catalog", "legacy_import", "reports")
WRITES = re.compile(
    r"(UPDATE|INSERT INTO|DELETE FROM|COPY) seats\b"
    r"|Seat\.objects\.(bulk_|create)|\bseats?\.(update|delete|save)\("
    r"|Seat\.objects\.filter\((?s:[^()]|\([^()]*\))*\)\.(update|delete)\("
)


class Scene:
    """A show with seats on a screen, and the people who change them."""

    def __init__(self, client: APIClient, user: User, staff: User) -> None:
        self.client, self.user, self.staff = client, user, staff
        self.screen = ScreenFactory()
        self.prices = prices_of(PriceCardFactory())
        self.show = planned_show(screen=self.screen, movie=MovieFactory())
        self.map = {"layout": self.screen.parsed_layout, "prices": self.prices}
        make_seat_map(show_id=self.show.pk, **self.map)

    @property
    def seats(self) -> list[Seat]:
        return list(Seat.objects.filter(show=self.show).order_by("pk"))

    def sell(self) -> Order:
        seat_ids = frozenset([self.seats[0].pk])
        purchase = Purchase(show_id=self.show.pk, seat_ids=seat_ids)
        return sell_at_counter(clerk=self.staff, token=uuid4().hex, purchase=purchase)

    def end(self) -> None:
        end = timezone.now() - timedelta(days=archiving.settings.ARCHIVE_AFTER_DAYS + 1)
        times = {"start_time": end - timedelta(hours=2), "end_time": end, "occupied_until": end}
        Show.objects.filter(pk=self.show.pk).update(**times)


Step = Callable[[Scene], Any]


def _cancel_order(scene: Scene, answer: dict[str, Any]) -> None:
    scene.client.post(f"/api/orders/{answer['order']['reference']}/cancel")


def _move(scene: Scene) -> None:
    other = ScreenFactory(theatre=scene.screen.theatre, layout="A  SSSSSSSS\nB  SSPPWC\n")
    moves = [moving.Move(scene.show.pk, other.pk, scene.show.start_time)]
    seen = moving.fingerprint(moving.plan_moves(moves))
    moving.move_shows(moves=moves, seen=seen, actor=scene.staff, reason="Broken")


def _cancel_show(scene: Scene, orders: int) -> None:
    cancel_show(show_id=scene.show.pk, orders=orders, reason="Broken", actor=scene.staff)
    worker = Worker()
    while worker.do_next():
        pass


# What precedes each change, and the change, which gets the result of the first.
VERBS: dict[str, tuple[Step, Callable[[Scene, Any], Any]]] = {
    "book": (lambda s: None, lambda s, _: bought(s.client, s.seats[0])),
    "book a hold": (
        lambda s: held(s.client, *s.seats[:2]),
        lambda s, hold: book(s.client, hold_id=hold["id"]),
    ),
    "hold": (lambda s: None, lambda s, _: held(s.client, s.seats[0])),
    "replace a hold": (
        lambda s: held(s.client, s.seats[0]),
        lambda s, _: held(s.client, s.seats[1]),
    ),
    "extend": (
        lambda s: held(s.client, s.seats[0]),
        lambda s, hold: s.client.post(f"/api/holds/{hold['id']}/extend"),
    ),
    "release": (
        lambda s: held(s.client, s.seats[0]),
        lambda s, hold: s.client.delete(f"/api/holds/{hold['id']}"),
    ),
    "expire": (
        lambda s: let_expire(held(s.client, s.seats[0])["id"]),
        lambda s, _: call_command("release_expired_holds", verbosity=0),
    ),
    "cancel a booking": (
        lambda s: bought(s.client, s.seats[0]),
        lambda s, answer: s.client.post(f"/api/bookings/{answer['booking']['id']}/cancel"),
    ),
    "cancel an order": (lambda s: bought(s.client, *s.seats[:2]), _cancel_order),
    "sell at the counter": (lambda s: None, lambda s, _: s.sell()),
    "cancel at the counter": (
        Scene.sell,
        lambda s, order: cancel_at_counter(
            clerk=s.staff, order=order, booking_ids=[order.bookings.get().pk], reason="Ill"
        ),
    ),
    "move at the counter": (
        Scene.sell,
        lambda s, order: move_at_counter(
            clerk=s.staff, booking=order.bookings.get(), seat_id=s.seats[3].pk, reason="Broken"
        ),
    ),
    "cancel a show": (
        lambda s: bought(s.client, s.seats[0]),
        lambda s, _: _cancel_show(s, orders=1),
    ),
    "move a show": (lambda s: bought(s.client, s.seats[0]), lambda s, _: _move(s)),
    "make a seat map": (
        lambda s: Seat.objects.filter(show=s.show).delete(),
        lambda s, _: make_seat_map(show_id=s.show.pk, **s.map),
    ),
    "replace a seat map": (
        lambda s: None,
        lambda s, _: replace_seat_map(show_id=s.show.pk, **s.map),
    ),
    "block": (
        lambda s: None,
        lambda s, _: block_seats(show_id=s.show.pk, seat_ids=[s.seats[0].pk], reason="Broken"),
    ),
    "unblock": (
        lambda s: block_seats(show_id=s.show.pk, seat_ids=[s.seats[0].pk], reason="Broken"),
        lambda s, _: unblock_seats(show_id=s.show.pk, seat_ids=[s.seats[0].pk]),
    ),
    "reprice": (
        lambda s: None,
        lambda s, _: reprice_unsold(
            show_id=s.show.pk,
            prices={name: price + 1 for name, price in s.prices.items()},
            reason="Dearer",
        ),
    ),
    "archive": (Scene.end, lambda s, _: archiving.archive_rooms()),
    "delete an account": (
        lambda s: held(s.client, s.seats[0]),
        lambda s, _: remove_person(user_id=s.user.pk),
    ),
}


@pytest.fixture
def scene(settings: Any, customer: APIClient, user: User, staff: User) -> Scene:
    settings.LIVE_URL = "https://live.example"
    return Scene(customer, user, staff)


@pytest.fixture
def changed_shows() -> Iterator[Callable[[], set[int]]]:
    """Return the shows whose seats were written since the last call, as a trigger sees them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE TABLE changed_shows (id bigint);
            CREATE FUNCTION log_show() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO changed_shows VALUES (coalesce(NEW.show_id, OLD.show_id));
                RETURN NULL;
            END $$;
            CREATE TRIGGER log_show AFTER INSERT OR UPDATE OR DELETE ON seats
                FOR EACH ROW EXECUTE FUNCTION log_show();
            """
        )

    def read() -> set[int]:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM changed_shows RETURNING id")
            return {row[0] for row in cursor.fetchall()}

    yield read
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER log_show ON seats; DROP FUNCTION log_show")
        cursor.execute("DROP TABLE changed_shows")


@pytest.fixture
def published() -> Iterator[Callable[[], set[int]]]:
    """Return the ids that were published since the last call."""
    with closing(get_redis_connection("default").pubsub()) as pubsub:
        pubsub.subscribe(CHANNEL)
        assert pubsub.get_message(timeout=30)["type"] == "subscribe"

        def read() -> set[int]:
            # Redis delivers in order: what came before this mark has arrived when it arrives.
            mark = uuid4().hex
            get_redis_connection("default").execute_command("PUBLISH", CHANNEL, mark)
            ids: set[int] = set()
            while (message := pubsub.get_message(timeout=30)) and message["data"] != mark.encode():
                if message["data"].isdigit():
                    ids.add(int(message["data"]))
            return ids

        yield read


@pytest.mark.parametrize("verb", VERBS)
def test_a_change_of_seats_is_published(
    verb: str,
    scene: Scene,
    changed_shows: Callable[[], set[int]],
    published: Callable[[], set[int]],
) -> None:
    prepare, change = VERBS[verb]
    prepared = prepare(scene)
    changed_shows(), published()
    change(scene, prepared)
    assert changed_shows() == {scene.show.pk}
    # Other tests may publish at the same time.
    assert scene.show.pk in published()


def test_nothing_is_published_before_commit_or_after_a_rollback(
    scene: Scene, published: Callable[[], set[int]]
) -> None:
    published()
    with transaction.atomic():
        publish_seat_changes([scene.show.pk])
        assert scene.show.pk not in published()
        transaction.set_rollback(True)
    assert scene.show.pk not in published()


def test_nothing_is_published_without_a_live_process(
    scene: Scene, settings: Any, published: Callable[[], set[int]]
) -> None:
    settings.LIVE_URL = ""
    published()
    bought(scene.client, scene.seats[0])
    held(scene.client, scene.seats[3])
    assert scene.show.pk not in published()


def test_every_module_that_writes_seats_publishes() -> None:
    """Guards the test above: a new write needs a message, and a row in VERBS."""
    writing = set()
    for app in APPS:
        for file in (ROOT / app).rglob("*.py"):
            name = str(file.relative_to(ROOT))
            if "/migrations/" not in name and WRITES.search(file.read_text()):
                writing.add(name)
    assert {"bookings/services/holds.py", "catalog/seat_maps.py"} <= writing
    silent = {name for name in writing if "publish_seat_changes(" not in (ROOT / name).read_text()}
    assert silent == set()
