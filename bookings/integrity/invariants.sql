-- The invariants that `manage.py doctor` checks, in the order in which it prints them.
--
-- Each has a name, a severity (see bookings.integrity.invariants.Severity) and a sentence that is
-- true of a sound database. Its query returns one text column that names the offenders.

-- seat_sold_once (violation): A seat has at most one active booking.
SELECT 'seat ' || seat_id FROM bookings
 WHERE cancelled_at IS NULL GROUP BY seat_id HAVING count(*) > 1;

-- booked_seat_has_booking (violation): A seat is booked exactly if it has an active booking.
SELECT 'seat ' || coalesce(seats.id, bookings.seat_id)
  FROM (SELECT id FROM seats WHERE status = 'booked') AS seats
  FULL JOIN (SELECT seat_id FROM bookings WHERE cancelled_at IS NULL) AS bookings
    ON bookings.seat_id = seats.id
 WHERE seats.id IS NULL OR bookings.seat_id IS NULL;

-- booking_in_its_show (violation): A booking's seat and order belong to the booking's show.
SELECT 'booking ' || bookings.id
  FROM bookings
  LEFT JOIN seats ON seats.id = bookings.seat_id
  LEFT JOIN orders ON orders.id = bookings.order_id
 WHERE seats.show_id IS DISTINCT FROM bookings.show_id
    OR bookings.order_id IS NOT NULL AND orders.show_id IS DISTINCT FROM bookings.show_id;

-- booking_in_own_order (violation): A booking and its order have the same user.
SELECT 'booking ' || bookings.id
  FROM bookings JOIN orders ON orders.id = bookings.order_id
 WHERE bookings.user_id IS DISTINCT FROM orders.user_id;

-- cancelled_after_booked (violation): A booking is cancelled after it was made.
SELECT 'booking ' || id FROM bookings WHERE cancelled_at < booked_at;

-- order_has_bookings (violation): An order has at least one booking.
SELECT 'order ' || reference FROM orders
 WHERE NOT EXISTS (SELECT FROM bookings WHERE bookings.order_id = orders.id);

-- order_status_agrees (violation): An order's status matches its bookings.
SELECT 'order ' || orders.reference
  FROM orders
  JOIN (SELECT order_id, count(*) AS sold, count(cancelled_at) AS cancelled
          FROM bookings WHERE order_id IS NOT NULL GROUP BY order_id) AS counted
    ON counted.order_id = orders.id
 WHERE orders.status <> CASE cancelled WHEN 0 THEN 'confirmed' WHEN sold THEN 'cancelled'
                        ELSE 'partially_cancelled' END;

-- order_total_adds_up (violation): An order's total is the sum of its bookings' prices.
SELECT 'order ' || orders.reference
  FROM orders
  JOIN (SELECT order_id, sum(price) AS total FROM bookings
         WHERE order_id IS NOT NULL GROUP BY order_id) AS sums
    ON sums.order_id = orders.id
 WHERE sums.total IS DISTINCT FROM orders.total;

-- held_seat_in_hold (violation): A held seat is listed by its hold, which belongs to the same show and has not ended.
SELECT 'seat ' || seats.id
  FROM seats LEFT JOIN holds ON holds.id = seats.hold_id
 WHERE seats.status = 'held'
   AND (holds.id IS NULL OR holds.ended_at IS NOT NULL
        OR holds.show_id <> seats.show_id OR NOT seats.id = ANY (holds.seat_ids));

-- held_until_agrees (violation): A held seat and its hold agree on when the hold ends.
SELECT 'seat ' || seats.id
  FROM seats JOIN holds ON holds.id = seats.hold_id
 WHERE seats.status = 'held' AND holds.ended_at IS NULL
   AND seats.held_until <> holds.expires_at;

-- hold_has_its_seats (violation): All seats that an active hold lists belong to it.
SELECT 'hold ' || holds.id
  FROM holds
 WHERE ended_at IS NULL AND expires_at > clock_timestamp()
   AND (cardinality(seat_ids) = 0 OR EXISTS (
        SELECT FROM unnest(holds.seat_ids) AS wanted(id)
          LEFT JOIN seats ON seats.id = wanted.id
         WHERE seats.hold_id IS DISTINCT FROM holds.id));

-- hold_lists_seats_once (violation): An active hold lists each of its seats once.
SELECT 'hold ' || id FROM holds
 WHERE ended_at IS NULL AND expires_at > clock_timestamp()
   AND cardinality(seat_ids) > (SELECT count(DISTINCT seat) FROM unnest(seat_ids) AS seat);

-- one_live_hold (violation): A user has at most one active hold per show, and no hold exceeds its maximum time.
SELECT 'user ' || user_id || ' show ' || show_id FROM holds
 WHERE ended_at IS NULL GROUP BY user_id, show_id HAVING count(*) > 1
 UNION ALL
SELECT 'hold ' || id FROM holds WHERE expires_at > max_expires_at;

-- hold_within_seat_limit (violation): An active hold has at most $max_seats seats (MAX_SEATS_PER_ORDER).
SELECT 'hold ' || id FROM holds
 WHERE ended_at IS NULL AND expires_at > clock_timestamp()
   AND cardinality(seat_ids) > $max_seats;

-- response_names_own_order (violation): The stored response of a key names an order of the same user.
-- Not a cast to json, which would fail at the first text that is not JSON.
SELECT 'record ' || records.id
  FROM (SELECT id, user_id,
               split_part(split_part(body, '"order_reference":"', 2), '"', 1) AS reference
          FROM idempotency_records WHERE operation = 'book') AS records
  LEFT JOIN orders USING (reference)
 WHERE orders.id IS NULL OR orders.user_id IS DISTINCT FROM records.user_id;

-- theatre_zone_known (violation): A theatre's time zone is in the site's zone data; otherwise its times are in UTC.
SELECT 'theatre ' || id || ': ' || timezone FROM theatres WHERE timezone NOT IN ($zones);

-- upcoming_show_has_planned_offset (note): An upcoming show stores the UTC offset that it was planned with.
SELECT 'show ' || id FROM shows
 WHERE planned_utc_offset IS NULL AND start_time > now() AND status <> 'cancelled';

-- sold_in_theatre_currency (note): Orders of upcoming shows are in their theatre's currency.
SELECT 'order ' || orders.reference
  FROM shows
  JOIN theatres ON theatres.id = shows.theatre_id
  JOIN orders ON orders.show_id = shows.id
 WHERE shows.start_time > now() AND shows.status <> 'cancelled'
   AND orders.status <> 'cancelled' AND orders.currency <> theatres.currency;

-- sales_open_before_end (violation): Online sales of a show start before they end.
SELECT 'show ' || id FROM shows WHERE sales_open_at >= least(start_time, sales_close_at);

-- shows_do_not_overlap (violation): Shows on a screen that are not cancelled do not overlap, including turnaround.
SELECT 'show ' || id
  FROM (SELECT id, start_time,
               lag(occupied_until) OVER (PARTITION BY screen_id ORDER BY start_time)
                 AS taken_until
          FROM shows WHERE screen_id IS NOT NULL AND status <> 'cancelled') AS shows
 WHERE start_time < taken_until;

-- screen_occupied_until_end (violation): A show on a screen occupies it at least until its end.
SELECT 'show ' || id FROM shows
 WHERE screen_id IS NOT NULL
   AND (occupied_until IS NULL OR occupied_until <= start_time
        OR occupied_until < end_time);

-- one_seat_per_place (violation): No two seats of a show have the same position.
SELECT 'show ' || show_id || ' x ' || x || ' y ' || y FROM seats
 WHERE x IS NOT NULL AND y IS NOT NULL
 GROUP BY show_id, x, y HAVING count(*) > 1;

-- archived_room_complete (violation): Each seat of an archived room has either a row or an entry in the archive.
SELECT 'show ' || show_id FROM archived_rooms
 WHERE layout <> '' AND cardinality(seat_ids) <> seat_count
       + (SELECT count(*) FROM seats WHERE seats.show_id = archived_rooms.show_id);

-- removed_users_hold_nothing (violation): A removed user has no active hold, idempotency record, role, permission, theatre, key of an authenticator app or known address.
SELECT 'user ' || id FROM users
 WHERE email LIKE 'deleted-%@invalid'
   AND (EXISTS (SELECT FROM holds WHERE user_id = users.id AND ended_at IS NULL)
        OR EXISTS (SELECT FROM idempotency_records WHERE user_id = users.id)
        OR EXISTS (SELECT FROM users_groups WHERE user_id = users.id)
        OR EXISTS (SELECT FROM users_user_permissions WHERE user_id = users.id)
        OR EXISTS (SELECT FROM theatre_staff WHERE user_id = users.id)
        OR EXISTS (SELECT FROM otp_totp_totpdevice WHERE user_id = users.id)
        OR EXISTS (SELECT FROM known_addresses WHERE user_id = users.id));

-- expired_holds (note): Expired holds wait for release_expired_holds.
SELECT 'hold ' || id FROM holds WHERE ended_at IS NULL AND expires_at <= now();

-- old_idempotency_records (note): Idempotency records older than seven days wait for purge_idempotency_records.
SELECT 'record ' || id FROM idempotency_records
 WHERE created_at < now() - interval '7 days';

-- cancelled_shows_with_bookings (note): Bookings of cancelled shows wait to be cancelled.
SELECT 'booking ' || bookings.id
  FROM bookings JOIN shows ON shows.id = bookings.show_id
 WHERE bookings.cancelled_at IS NULL AND shows.status = 'cancelled';

-- no_spreadsheet_errors (note): No movie's text contains a spreadsheet error or an escaped line break.
SELECT 'movie ' || id FROM movies
 WHERE title IN ('#DIV/0!', '#N/A', '#NAME?', '#NULL!', '#NUM!', '#REF!', '#VALUE!')
    OR strpos(concat(title, description), '_x000D_') > 0;

-- sort_keys_stored (note): A name or title by which lists are sorted has its sort key, or waits for store_sort_keys.
SELECT 'movie ' || id FROM movies WHERE sort_key IS NULL
 UNION ALL SELECT 'theatre ' || id FROM theatres WHERE sort_key IS NULL
 UNION ALL SELECT 'screen ' || id FROM screens WHERE sort_key IS NULL
 UNION ALL SELECT 'price card ' || id FROM price_cards WHERE sort_key IS NULL;

-- texts_composed (note): Titles and names are in Unicode's composed form, or wait for compose_texts.
SELECT 'movie ' || id FROM movies WHERE title IS NOT NFC NORMALIZED
 UNION ALL SELECT 'theatre ' || id FROM theatres WHERE name IS NOT NFC NORMALIZED
 UNION ALL SELECT 'screen ' || id FROM screens WHERE name IS NOT NFC NORMALIZED
 UNION ALL SELECT 'price card ' || id FROM price_cards WHERE name IS NOT NFC NORMALIZED;

-- titles_distinct (note): No two titles or names differ only in how Unicode composes their characters.
SELECT kind || ' ' || string_agg(id::text, ', ' ORDER BY id)
  FROM (SELECT 'movies', id, title, NULL::bigint FROM movies
         UNION ALL SELECT 'theatres', id, name, NULL FROM theatres
         UNION ALL SELECT 'screens', id, name, theatre_id FROM screens
         UNION ALL SELECT 'price cards', id, name, NULL FROM price_cards)
       AS texts(kind, id, text, theatre_id)
 GROUP BY kind, theatre_id, normalize(text, NFC) HAVING count(DISTINCT text) > 1;

-- emails_canonical (note): E-mail addresses of accounts are in their canonical spelling, or wait for canonicalize_emails.
SELECT 'user ' || id FROM users WHERE email <> lower(email) OR octet_length(email) <> length(email);

-- customer_emails_canonical (note): E-mail addresses of walk-in customers are in their canonical spelling, or wait for canonicalize_customer_emails.
SELECT 'order ' || reference FROM orders
 WHERE channel = 'box_office'
   AND (customer_email <> lower(customer_email)
        OR octet_length(customer_email) <> length(customer_email));

-- currencies_current (note): Theatres have current currencies of ISO 4217 with at most three decimal places.
SELECT 'theatre ' || id FROM theatres
 WHERE currency NOT IN (SELECT code FROM (VALUES $currencies) AS known(code, digits));

-- amounts_expressible (note): Amounts are numbers, and have no more decimal places than their currency.
SELECT kind || ' ' || id
  FROM (SELECT 'seat', seats.id::text, price, currency
          FROM seats JOIN shows ON shows.id = show_id JOIN theatres ON theatres.id = theatre_id
         UNION ALL
        SELECT 'booking', bookings.id::text, price, currency
          FROM bookings JOIN orders ON orders.id = order_id
         UNION ALL
        SELECT 'order', reference, total, currency FROM orders) AS amounts(kind, id, amount, currency)
  LEFT JOIN (VALUES $currencies) AS known(code, digits) ON code = currency
 WHERE amount = 'NaN' OR amount <> round(amount, coalesce(digits, 2));

-- no_task_given_up (failure): The worker has given up on no task.
SELECT task_path || ' x ' || count(*)
  FROM django_tasks_database_dbtaskresult
 WHERE status = 'FAILED' GROUP BY task_path;

-- no_confirmation_given_up (failure): The worker has given up on no confirmation of an order.
SELECT 'order ' || reference FROM orders
 WHERE confirmation_due_at <= now() AND confirmation_attempts >= $attempts;
