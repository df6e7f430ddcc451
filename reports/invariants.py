"""The invariant of the counted sales, checked by `manage.py doctor`."""

from bookings.integrity.invariants import Invariant
from reports.figures import seats_for_sale

COUNTED_SHOWS_AGREE = Invariant(
    "counted_shows_agree",
    "The counted sales of a show agree with its bookings.",
    f"""
    WITH counted AS (
        SELECT show_id, channel, currency, admissions, priced, gross
          FROM counted_sales JOIN counted_shows USING (show_id) WHERE counted_at IS NOT NULL
    ), again AS (
        SELECT bookings.show_id, coalesce(orders.channel, ''), coalesce(orders.currency, ''),
               count(*), count(price), coalesce(sum(price), 0)
          FROM bookings LEFT JOIN orders ON orders.id = order_id
          JOIN counted_shows ON counted_shows.show_id = bookings.show_id
         WHERE cancelled_at IS NULL AND counted_at IS NOT NULL GROUP BY 1, 2, 3
    )
    SELECT 'show ' || show_id FROM (
        (SELECT * FROM counted EXCEPT SELECT * FROM again)
         UNION (SELECT * FROM again EXCEPT SELECT * FROM counted)) AS sales
     UNION
    SELECT 'show ' || show_id FROM counted_shows
     WHERE seats_for_sale <> {seats_for_sale("counted_shows.show_id")}
    """,  # noqa: S608 - no outside input
)
