"""The constraints, indexes, triggers and generated columns of this project's own tables.

`guards.txt` lists what the migrations make, one per line, in PostgreSQL's own words. A test
compares the two. The tables of Django and of other packages are left out.
"""

import re
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import connection

EXPECTED = Path(__file__).with_name("guards.txt")

# Named `table.guard`, or `function()`. Guards that PostgreSQL does not enforce are left out.
_ENFORCED = """
    SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(pg_constraint.oid, TRUE)
      FROM pg_constraint LEFT JOIN pg_index ON indexrelid = conindid
     WHERE connamespace = current_schema()::regnamespace AND contype IN ('c', 'f', 'p', 'u', 'x')
       AND (indisvalid AND indisready) IS NOT FALSE
       AND NOT EXISTS (SELECT FROM pg_trigger
                        WHERE tgconstraint = pg_constraint.oid AND tgenabled IN ('D', 'R'))
     UNION ALL
    SELECT indrelid::regclass || '.' || relname, pg_get_indexdef(indexrelid, 0, TRUE)
      FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
     WHERE relnamespace = current_schema()::regnamespace AND indisvalid AND indisready
       AND NOT EXISTS (SELECT FROM pg_constraint
                        WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
     UNION ALL
    SELECT attrelid::regclass || '.' || attname, 'NOT NULL'
      FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
     WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
       AND attnum > 0 AND attnotnull
     UNION ALL
    SELECT adrelid::regclass || '.' || attname || '=', pg_get_expr(adbin, adrelid, TRUE)
      FROM pg_attrdef JOIN pg_attribute ON (attrelid, attnum) = (adrelid, adnum)
      JOIN pg_class ON pg_class.oid = attrelid
     WHERE relnamespace = current_schema()::regnamespace AND attgenerated <> ''
     UNION ALL
    SELECT tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid, TRUE)
      FROM pg_trigger
     WHERE NOT tgisinternal AND tgenabled NOT IN ('D', 'R')
     UNION ALL
    SELECT oid::regprocedure::text, prosrc
      FROM pg_proc
     WHERE pronamespace = current_schema()::regnamespace AND prorettype = 'trigger'::regtype
"""

# Restoring a dump moves the casts of texts.
_CASTS = re.compile(r"::(?:text|character varying)(?:\[\])?")


def enforced() -> set[str]:
    """Return `name: definition` of each, the same on PostgreSQL 15 to 18 and after a restore."""
    tables = _own_tables()
    with connection.cursor() as cursor:
        cursor.execute(_ENFORCED)
        return {
            f"{name}: {' '.join(_CASTS.sub('', text).split())}"
            for name, text in cursor
            if "." not in name or name.partition(".")[0] in tables
        }


def _own_tables() -> set[str]:
    return {
        model._meta.db_table
        for app in apps.get_app_configs()
        if Path(app.path).parent == settings.BASE_DIR
        for model in app.get_models(include_auto_created=True)
    }


def missing() -> list[str]:
    """Return the names of guards that are missing or differ from what the migrations create."""
    return sorted(
        line.partition(":")[0] for line in set(EXPECTED.read_text().splitlines()) - enforced()
    )
