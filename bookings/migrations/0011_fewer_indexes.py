"""Drops indexes, as each slows bookings down; docs/performance.md lists who reads the others.

Indexes are built and dropped beside running sales. The foreign key from bookings to orders moves
to a unique index whose first column is the show. It is dropped and created again in one short
transaction, and validated afterwards.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.operations import AlterField
from django.db.migrations.operations.base import Operation

from booking_site.postgres.indexes import (
    AddIndexConcurrently,
    CreateIndexConcurrently,
    DropIndexConcurrently,
    RemoveIndexConcurrently,
)


def _without_index(table: str, column: str, index: str, alter: AlterField) -> Operation:
    """Drop the index of a foreign key beside running sales.

    AlterField itself drops every index of the column, a partial unique one included.
    """
    return migrations.SeparateDatabaseAndState(
        database_operations=[DropIndexConcurrently(index, f"{table} ({column})")],
        state_operations=[alter],
    )


def _swap_unique(index: str) -> list[tuple[str, None]]:
    """Return one text: PostgreSQL executes its statements in one transaction."""
    sql = f"""
        ALTER TABLE bookings DROP CONSTRAINT booking_order_in_show;
        ALTER TABLE orders DROP CONSTRAINT order_with_show;
        ALTER TABLE orders ADD CONSTRAINT order_with_show UNIQUE {index};
        ALTER TABLE bookings ADD CONSTRAINT booking_order_in_show
            FOREIGN KEY (order_id, show_id) REFERENCES orders (id, show_id)
            DEFERRABLE INITIALLY IMMEDIATE NOT VALID;
    """
    return [(sql, None)]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0010_models_of_other_apps")]

    operations = [
        AddIndexConcurrently(
            model_name="booking",
            index=models.Index(fields=["show", "seat"], name="booking_by_show_and_seat"),
        ),
        _without_index(
            "bookings",
            "show_id",
            "bookings_show_id_182a073c",
            AlterField(
                model_name="booking",
                name="show",
                field=models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="catalog.show",
                ),
            ),
        ),
        _without_index(
            "bookings",
            "seat_id",
            "bookings_seat_id_05dfaa38",
            AlterField(
                model_name="booking",
                name="seat",
                field=models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    to="catalog.seat",
                ),
            ),
        ),
        migrations.RunSQL(
            sql=migrations.RunSQL.noop,
            reverse_sql="ALTER TABLE bookings VALIDATE CONSTRAINT booking_order_in_show",
        ),
        CreateIndexConcurrently("order_by_show", "orders (show_id, id)", unique=True),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    sql=_swap_unique("USING INDEX order_by_show"),
                    reverse_sql=_swap_unique("(id, show_id)"),
                ),
            ],
            state_operations=[
                migrations.RemoveConstraint(model_name="order", name="order_with_show"),
                migrations.AddConstraint(
                    model_name="order",
                    constraint=models.UniqueConstraint(
                        fields=["show", "id"], name="order_with_show"
                    ),
                ),
            ],
        ),
        migrations.RunSQL(
            sql="ALTER TABLE bookings VALIDATE CONSTRAINT booking_order_in_show",
            reverse_sql=migrations.RunSQL.noop,
        ),
        _without_index(
            "orders",
            "show_id",
            "orders_show_id_8a109499",
            AlterField(
                model_name="order",
                name="show",
                field=models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="catalog.show",
                ),
            ),
        ),
        _without_index(
            "orders",
            "sold_by_id",
            "orders_sold_by_id_a82d5699",
            AlterField(
                model_name="order",
                name="sold_by",
                field=models.ForeignKey(
                    blank=True,
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="orders_sold",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ),
        RemoveIndexConcurrently(model_name="idempotencyrecord", name="idempotency_by_age"),
    ]
