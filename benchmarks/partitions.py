"""Partitions `seats` and `bookings` of a benchmark by ranges of show ids, as decision 31 plans."""

import psycopg
from psycopg import sql

TABLES = ("seats", "bookings")
KEY = "show_id"
# Unique indexes of a partitioned table contain its key.
_WITH_KEY = {
    "PRIMARY KEY (id)": "PRIMARY KEY (id, show_id)",
    "btree (seat_id) WHERE": "btree (seat_id, show_id) WHERE",
}
# Each statement that restores one property of the tables, in the order of their dependencies.
# The primary key (id, show_id) replaces `seat_with_show`.
_DEFINITIONS = """
    SELECT statement
      FROM (SELECT 1 + (contype = 'f')::int AS place, conrelid AS relation,
                   format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname,
                          pg_get_constraintdef(oid)) AS statement
              FROM pg_constraint WHERE contype IN ('p', 'u', 'f') AND conname <> 'seat_with_show'
             UNION ALL
            SELECT 3, indrelid, pg_get_indexdef(indexrelid)
              FROM pg_index
             WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
             UNION ALL
            SELECT 4, tgrelid, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
           ) AS definition
     WHERE relation::regclass::text = ANY(%s)
     ORDER BY place
"""
_STORED_COLUMNS = """
    SELECT string_agg(quote_ident(attname), ', ')
      FROM pg_attribute
     WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


def partition(database: str, months: int) -> None:
    """Move the rows into tables of `months` partitions with an equal number of shows each."""
    with psycopg.connect(database, autocommit=True) as connection:
        definitions = connection.execute(_DEFINITIONS, [list(TABLES)]).fetchall()
        (shows,) = connection.execute("SELECT max(id) FROM shows").fetchone() or (0,)
        bounds = [1 + shows * month // months for month in range(months)]
        for table in TABLES:
            _replace(connection, table, bounds)
        for (statement,) in definitions:
            for text, with_key in _WITH_KEY.items():
                statement = statement.replace(text, with_key)
            connection.execute(statement)
        connection.execute("VACUUM ANALYZE seats, bookings")


def _replace(
    connection: psycopg.Connection[tuple[object, ...]], table: str, bounds: list[int]
) -> None:
    """Replace a table by a partitioned one with the same rows, without indexes and triggers."""
    names = {
        "table": sql.Identifier(table),
        "whole": sql.Identifier(f"{table}_whole"),
        "ids": sql.Identifier(f"{table}_id_seq"),
        "old_ids": sql.Identifier(f"{table}_whole_id_seq"),
        "key": sql.Identifier(KEY),
    }

    def execute(statement: str, **more: sql.Composable) -> None:
        connection.execute(sql.SQL(statement).format(**names, **more))

    execute("ALTER SEQUENCE {ids} RENAME TO {old_ids}")
    execute("ALTER TABLE {table} RENAME TO {whole}")
    execute(
        "CREATE TABLE {table} (LIKE {whole} INCLUDING ALL EXCLUDING INDEXES)"
        " PARTITION BY RANGE ({key})"
    )
    for number, (start, end) in enumerate(zip(bounds, [*bounds[1:], None], strict=True)):
        execute(
            "CREATE TABLE {part} PARTITION OF {table} FOR VALUES FROM ({start}) TO ({end})",
            part=sql.Identifier(f"{table}_{number}"),
            start=sql.Literal(start),
            end=sql.Literal(end) if end else sql.SQL("MAXVALUE"),
        )
    (columns,) = connection.execute(_STORED_COLUMNS, [table]).fetchone() or ("",)
    execute(
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM {whole}",
        columns=sql.SQL(str(columns)),
    )
    execute("DROP TABLE {whole} CASCADE")
    connection.execute(
        sql.SQL("SELECT setval({}, (SELECT max(id) FROM {}))").format(
            sql.Literal(f"{table}_id_seq"), names["table"]
        )
    )
