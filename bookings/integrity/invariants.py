"""What must be true of the tables at any moment, as SQL that finds what is not.

Every query returns one text column that names the offenders. All of it reads
one snapshot: the caller's transaction decides which.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models import ForeignKey
from django.utils.module_loading import import_string

from booking_site.tasks.outbox import ATTEMPTS
from bookings.integrity import guards

EXAMPLES = 5


class Gravity(Enum):
    """What it means to find something, in the word that the doctor prints."""

    VIOLATION = "BROKEN"  # a promise was not kept
    FAILURE = "FAILED"  # the tables are sound, but work was left undone
    NOTE = "note"  # only waits for its time


@dataclass(frozen=True, slots=True)
class Invariant:
    """`sentence` says what holds."""

    name: str
    sentence: str
    sql: str
    gravity: Gravity = Gravity.VIOLATION


@dataclass(frozen=True, slots=True)
class Finding:
    """How many rows offend the invariant, and the first few of them."""

    invariant: Invariant
    count: int
    examples: list[str]

    @property
    def gravity(self) -> Gravity | None:
        """None when there is nothing to find fault with."""
        return self.invariant.gravity if self.count else None

    @property
    def is_violation(self) -> bool:
        return self.gravity is Gravity.VIOLATION


def examine() -> Iterator[Finding]:
    """Yield a finding for every invariant, in order, those that hold with a count of 0."""
    missing = guards.missing()
    yield Finding(CONSTRAINTS_IN_PLACE, len(missing), missing[:EXAMPLES])
    for invariant in invariants():
        with connection.cursor() as cursor:
            # clock_timestamp() is later than the snapshot, so a hold that lives by
            # it lived in the snapshot too.
            cursor.execute(
                f"""
                SELECT count(*), coalesce((array_agg(name ORDER BY name))[1:{EXAMPLES}], '{{}}')
                  FROM ({invariant.sql}) AS offenders(name)
                """  # noqa: S608 - constants of this module
            )
            count, examples = cursor.fetchone()
        yield Finding(invariant, count, examples)


def invariants() -> tuple[Invariant, ...]:
    """Return every invariant that a query tells, in the order in which to print them."""
    few_seats = Invariant(
        "few_seats_in_hold",
        f"A live hold has at most {settings.MAX_SEATS_PER_ORDER} seats (MAX_SEATS_PER_ORDER).",
        f"""
        SELECT 'hold ' || id FROM holds
         WHERE ended_at IS NULL AND expires_at > clock_timestamp()
           AND cardinality(seat_ids) > {settings.MAX_SEATS_PER_ORDER:d}
        """,  # noqa: S608 - a number
    )
    others = [import_string(path) for path in settings.INVARIANTS]
    return (*_INVARIANTS, few_seats, _user_and_show_exist(), *others)


def _user_and_show_exist() -> Invariant:
    lost = []
    for model in apps.get_models(include_auto_created=True):
        table, key = model._meta.db_table, model._meta.pk
        for field in model._meta.concrete_fields:
            if isinstance(field, ForeignKey):
                column, (target,) = field.column, field.foreign_related_fields
                lost.append(
                    f"""
                    SELECT '{model._meta.verbose_name} ' || {key.column}
                           || ': no {field.verbose_name} ' || {column}
                      FROM {table} AS own
                     WHERE {column} IS NOT NULL
                       AND NOT EXISTS (SELECT FROM {target.model._meta.db_table} AS other
                                        WHERE other.{target.column} = own.{column})
                    """  # noqa: S608 - names of models
                )
    return Invariant(
        "user_and_show_exist",
        "The user and show of each booking, order and hold exist, as does all that rows refer to.",
        " UNION ALL ".join(lost),
    )


_INVARIANTS = (
    Invariant(
        "seat_sold_once",
        "A seat has at most one live booking.",
        """
        SELECT 'seat ' || seat_id FROM bookings
         WHERE cancelled_at IS NULL GROUP BY seat_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        "booked_seat_has_booking",
        "A seat is booked exactly when it has a live booking.",
        """
        SELECT 'seat ' || coalesce(seats.id, bookings.seat_id)
          FROM (SELECT id FROM seats WHERE status = 'booked') AS seats
          FULL JOIN (SELECT seat_id FROM bookings WHERE cancelled_at IS NULL) AS bookings
            ON bookings.seat_id = seats.id
         WHERE seats.id IS NULL OR bookings.seat_id IS NULL
        """,
    ),
    Invariant(
        "booking_in_its_show",
        "A booking's seat and order belong to the booking's show.",
        """
        SELECT 'booking ' || bookings.id
          FROM bookings
          LEFT JOIN seats ON seats.id = bookings.seat_id
          LEFT JOIN orders ON orders.id = bookings.order_id
         WHERE seats.show_id IS DISTINCT FROM bookings.show_id
            OR bookings.order_id IS NOT NULL AND orders.show_id IS DISTINCT FROM bookings.show_id
        """,
    ),
    Invariant(
        "booking_in_own_order",
        "A booking and its order have the same user.",
        """
        SELECT 'booking ' || bookings.id
          FROM bookings JOIN orders ON orders.id = bookings.order_id
         WHERE bookings.user_id IS DISTINCT FROM orders.user_id
        """,
    ),
    Invariant(
        "cancelled_after_booked",
        "A booking is cancelled after it was made.",
        "SELECT 'booking ' || id FROM bookings WHERE cancelled_at < booked_at",
    ),
    Invariant(
        "order_has_bookings",
        "An order has at least one booking.",
        """
        SELECT 'order ' || reference FROM orders
         WHERE NOT EXISTS (SELECT FROM bookings WHERE bookings.order_id = orders.id)
        """,
    ),
    Invariant(
        "order_status_agrees",
        "An order's status is what its bookings' cancellations make it.",
        """
        SELECT 'order ' || orders.reference
          FROM orders
          JOIN (SELECT order_id, count(*) AS sold, count(cancelled_at) AS cancelled
                  FROM bookings WHERE order_id IS NOT NULL GROUP BY order_id) AS counted
            ON counted.order_id = orders.id
         WHERE orders.status <> CASE cancelled WHEN 0 THEN 'confirmed' WHEN sold THEN 'cancelled'
                                ELSE 'partially_cancelled' END
        """,
    ),
    Invariant(
        "order_total_adds_up",
        "An order's total is the sum of its bookings' prices.",
        """
        SELECT 'order ' || orders.reference
          FROM orders
          JOIN (SELECT order_id, sum(price) AS total FROM bookings
                 WHERE order_id IS NOT NULL GROUP BY order_id) AS sums
            ON sums.order_id = orders.id
         WHERE sums.total IS DISTINCT FROM orders.total
        """,
    ),
    Invariant(
        "held_seat_in_hold",
        "A held seat is listed by its hold, which is of the same show and not ended.",
        """
        SELECT 'seat ' || seats.id
          FROM seats LEFT JOIN holds ON holds.id = seats.hold_id
         WHERE seats.status = 'held'
           AND (holds.id IS NULL OR holds.ended_at IS NOT NULL
                OR holds.show_id <> seats.show_id OR NOT seats.id = ANY (holds.seat_ids))
        """,
    ),
    Invariant(
        "held_until_agrees",
        "A held seat and its hold agree on when the hold ends.",
        """
        SELECT 'seat ' || seats.id
          FROM seats JOIN holds ON holds.id = seats.hold_id
         WHERE seats.status = 'held' AND holds.ended_at IS NULL
           AND seats.held_until <> holds.expires_at
        """,
    ),
    Invariant(
        "hold_keeps_its_seats",
        "A hold whose time is not over keeps all the seats it lists.",
        """
        SELECT 'hold ' || holds.id
          FROM holds
         WHERE ended_at IS NULL AND expires_at > clock_timestamp()
           AND (cardinality(seat_ids) = 0 OR EXISTS (
                SELECT FROM unnest(holds.seat_ids) AS wanted(id)
                  LEFT JOIN seats ON seats.id = wanted.id
                 WHERE seats.hold_id IS DISTINCT FROM holds.id))
        """,
    ),
    Invariant(
        "hold_lists_seats_once",
        "A hold whose time is not over lists each of its seats once.",
        """
        SELECT 'hold ' || id FROM holds
         WHERE ended_at IS NULL AND expires_at > clock_timestamp()
           AND cardinality(seat_ids) > (SELECT count(DISTINCT seat) FROM unnest(seat_ids) AS seat)
        """,
    ),
    Invariant(
        "one_live_hold",
        "A user has at most one live hold per show, within its longest time.",
        """
        SELECT 'user ' || user_id || ' show ' || show_id FROM holds
         WHERE ended_at IS NULL GROUP BY user_id, show_id HAVING count(*) > 1
         UNION ALL
        SELECT 'hold ' || id FROM holds WHERE expires_at > max_expires_at
        """,
    ),
    Invariant(
        "answer_names_own_order",
        "An answer kept for a key names an order that exists and is the same user's.",
        # A cast to json would end the whole query at the first text that is none,
        # and a pattern takes ten times as long.
        """
        SELECT 'record ' || records.id
          FROM (SELECT id, user_id,
                       split_part(split_part(body, '"order_reference":"', 2), '"', 1) AS reference
                  FROM idempotency_records WHERE operation = 'book') AS records
          LEFT JOIN orders USING (reference)
         WHERE orders.id IS NULL OR orders.user_id IS DISTINCT FROM records.user_id
        """,
    ),
    Invariant(
        "screen_shows_one_film",
        "Shows on one screen that are not cancelled follow each other, turnaround included.",
        """
        SELECT 'show ' || id
          FROM (SELECT id, start_time,
                       lag(occupied_until) OVER (PARTITION BY screen_id ORDER BY start_time)
                         AS taken_until
                  FROM shows WHERE screen_id IS NOT NULL AND status <> 'cancelled') AS shows
         WHERE start_time < taken_until
        """,
    ),
    Invariant(
        "screen_taken_until_after_end",
        "A show on a screen occupies it at least until its end.",
        """
        SELECT 'show ' || id FROM shows
         WHERE screen_id IS NOT NULL
           AND (occupied_until IS NULL OR occupied_until <= start_time
                OR occupied_until < end_time)
        """,
    ),
    Invariant(
        "one_seat_per_place",
        "Two seats of a show never stand in the same place.",
        """
        SELECT 'show ' || show_id || ' x ' || x || ' y ' || y FROM seats
         WHERE x IS NOT NULL AND y IS NOT NULL
         GROUP BY show_id, x, y HAVING count(*) > 1
        """,
    ),
    Invariant(
        "removed_people_hold_nothing",
        "A removed person has no live hold and no kept answer.",
        """
        SELECT 'user ' || id FROM users
         WHERE email LIKE 'deleted-%@invalid'
           AND (EXISTS (SELECT FROM holds WHERE user_id = users.id AND ended_at IS NULL)
                OR EXISTS (SELECT FROM idempotency_records WHERE user_id = users.id))
        """,
    ),
    Invariant(
        "unswept_holds",
        "Holds that are over wait for release_expired_holds.",
        "SELECT 'hold ' || id FROM holds WHERE ended_at IS NULL AND expires_at <= now()",
        Gravity.NOTE,
    ),
    Invariant(
        "old_answers",
        "Answers kept for more than seven days wait for purge_idempotency_records.",
        """
        SELECT 'record ' || id FROM idempotency_records
         WHERE created_at < now() - interval '7 days'
        """,
        Gravity.NOTE,
    ),
    Invariant(
        "cancelled_shows_with_bookings",
        "Bookings of cancelled shows wait to be cancelled.",
        """
        SELECT 'booking ' || bookings.id
          FROM bookings JOIN shows ON shows.id = bookings.show_id
         WHERE bookings.cancelled_at IS NULL AND shows.status = 'cancelled'
        """,
        Gravity.NOTE,
    ),
    Invariant(
        "no_task_given_up",
        "The worker has given up on no task.",
        """
        SELECT task_path || ' x ' || count(*)
          FROM django_tasks_database_dbtaskresult
         WHERE status = 'FAILED' GROUP BY task_path
        """,
        Gravity.FAILURE,
    ),
    Invariant(
        "no_confirmation_given_up",
        "The worker has given up on no confirmation of an order.",
        f"""
        SELECT 'order ' || reference FROM orders
         WHERE confirmation_due_at <= now() AND confirmation_attempts >= {ATTEMPTS}
        """,  # noqa: S608 - a number
        Gravity.FAILURE,
    ),
)

CONSTRAINTS_IN_PLACE = Invariant(
    "constraints_in_place",
    "Every constraint, index and trigger of the migrations is there, unaltered and enforced.",
    "",
)
