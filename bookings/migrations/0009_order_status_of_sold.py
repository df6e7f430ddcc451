"""Sets the status of existing orders, and adds constraints and an index for the new columns.

Not in one transaction, so that bookings continue meanwhile: constraints are validated without
blocking writes, and the index is built concurrently. One statement sets the status. It locks only
the few orders with a cancelled booking, in the same order as cancellations do.
"""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models
from django.db.models import Q

from booking_site.postgres.constraints import AddConstraintNotValid
from booking_site.postgres.indexes import AddIndexConcurrently

STATUSES = ["confirmed", "partially_cancelled", "cancelled"]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0008_order_status_and_confirmation")]

    operations = [
        migrations.RunSQL(
            sql="""
            WITH changed AS (
                SELECT id FROM orders
                 WHERE id IN (SELECT order_id FROM bookings WHERE cancelled_at IS NOT NULL)
                 ORDER BY id FOR NO KEY UPDATE
            ), counted AS (
                SELECT order_id, bool_and(cancelled_at IS NOT NULL) AS whole
                  FROM bookings WHERE order_id IN (SELECT id FROM changed) GROUP BY order_id
            )
            UPDATE orders
               SET status = CASE WHEN whole THEN 'cancelled' ELSE 'partially_cancelled' END
              FROM counted WHERE orders.id = order_id
            """,
            reverse_sql=migrations.RunSQL.noop,
        ),
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                condition=Q(("confirmation_due_at__isnull", False)),
                fields=["confirmation_due_at"],
                name="order_unsent_by_due_time",
            ),
        ),
        AddConstraintNotValid(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=Q(("status__in", STATUSES)), name="order_status_known"
            ),
        ),
        ValidateConstraint(model_name="order", name="order_status_known"),
        AddConstraintNotValid(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=Q(
                    ("confirmation_due_at__isnull", True),
                    ("confirmation_sent_at__isnull", True),
                    _connector="OR",
                ),
                name="order_confirmation_due_or_sent",
            ),
        ),
        ValidateConstraint(model_name="order", name="order_confirmation_due_or_sent"),
    ]
