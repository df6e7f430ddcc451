"""Triggers that renew `updated_at` with every change that the API publishes, also by plain SQL.

A show also changes with the name of its movie, theatre or screen, and with its seats and their
prices. Selling, holding or blocking a seat fires no trigger, nor does archiving a room.
`WHEN` leaves a time that the statement sets itself.
"""

from django.db import migrations

# Without what the API does not publish, such as sort keys.
PUBLISHED = {
    "movies": "title, description, duration_minutes, certificate, language, genres, poster_url,"
    " release_date",
    "theatres": "name, location, timezone, currency, gap_rule",
    "shows": "movie_id, theatre_id, screen_id, start_time, end_time, format, language, status,"
    " sales_open_at, sales_close_at",
}
# What a show's answer contains of other rows: the column of shows, and those of the other table.
IN_SHOWS = {
    "screens": ("screen_id", ("name",)),
    "movies": ("movie_id", ("title",)),
    "theatres": ("theatre_id", ("name", "timezone", "currency", "gap_rule")),
}

FUNCTIONS = """
    CREATE FUNCTION renew_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.updated_at := clock_timestamp();
        RETURN NEW;
    END $$;
    CREATE FUNCTION renew_shows_that_name_it() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE format('
            UPDATE shows SET updated_at = clock_timestamp()
              FROM (SELECT id FROM shows WHERE %I = $1 ORDER BY id FOR NO KEY UPDATE) AS locked
             WHERE shows.id = locked.id', TG_ARGV[0]) USING NEW.id;
        RETURN NULL;
    END $$;
    CREATE FUNCTION renew_show_of_seat() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        -- Once in a transaction, however many seats it changes.
        UPDATE shows SET updated_at = clock_timestamp()
         WHERE id IN (OLD.show_id, NEW.show_id) AND updated_at < now();
        RETURN NULL;
    END $$;
    CREATE FUNCTION renew_shows_of_seats() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        -- An array, so that the planner uses the index although it knows nothing of `changed`.
        UPDATE shows SET updated_at = clock_timestamp()
         WHERE id = ANY(ARRAY(SELECT DISTINCT show_id FROM changed)) AND updated_at < now()
           AND (TG_OP = 'INSERT'
                OR NOT EXISTS (SELECT FROM archived_rooms WHERE show_id = shows.id));
        RETURN NULL;
    END $$;
"""
# Seats before shows, as in every transaction that locks both.
TRIGGERS = """
    CREATE TRIGGER seats_renew_show_after_insert AFTER INSERT ON seats
        REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION renew_shows_of_seats();
    CREATE TRIGGER seats_renew_show_after_delete AFTER DELETE ON seats
        REFERENCING OLD TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION renew_shows_of_seats();
    CREATE TRIGGER seats_renew_show_after_update
        AFTER UPDATE OF id, show_id, row, number, price, category, x, y, section ON seats
        FOR EACH ROW WHEN ((OLD.facts, OLD.show_id) IS DISTINCT FROM (NEW.facts, NEW.show_id))
        EXECUTE FUNCTION renew_show_of_seat();
"""
REVERSED = """
    DROP TRIGGER seats_renew_show_after_insert ON seats;
    DROP TRIGGER seats_renew_show_after_delete ON seats;
    DROP TRIGGER seats_renew_show_after_update ON seats;
"""


def _names(columns: tuple[str, ...], row: str) -> str:
    return ", ".join(f"{row}.{column}" for column in columns)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0024_lowest_prices")]

    operations = [
        migrations.RunSQL(
            FUNCTIONS,
            """
            DROP FUNCTION renew_updated_at(), renew_shows_that_name_it(), renew_show_of_seat(),
                          renew_shows_of_seats()
            """,
        ),
        migrations.RunSQL(TRIGGERS, REVERSED),
        *(
            migrations.RunSQL(
                f"""
                CREATE TRIGGER {table}_renew_shows AFTER UPDATE ON {table}
                FOR EACH ROW WHEN (({_names(columns, "OLD")}) IS DISTINCT FROM
                                   ({_names(columns, "NEW")}))
                EXECUTE FUNCTION renew_shows_that_name_it('{key}')
                """,
                f"DROP TRIGGER {table}_renew_shows ON {table}",
            )
            for table, (key, columns) in IN_SHOWS.items()
        ),
        *(
            migrations.RunSQL(
                f"""
                CREATE TRIGGER {table}_renew_updated_at BEFORE UPDATE OF {columns} ON {table}
                FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
                EXECUTE FUNCTION renew_updated_at()
                """,
                f"DROP TRIGGER {table}_renew_updated_at ON {table}",
            )
            for table, columns in PUBLISHED.items()
        ),
    ]
