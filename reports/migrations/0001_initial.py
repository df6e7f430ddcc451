"""Moves the counted shows here from `bookings`, without changing their tables.

Content types are renamed in place, so permissions, and the roles and users that have them, need
no change. The permission to see reports moves from orders to counted shows.
"""

import django.db.models.deletion
from django.db import migrations, models

MOVE_TO_REPORTS = """
UPDATE django_content_type SET app_label = 'reports'
 WHERE app_label = 'bookings' AND model IN ('countedshow', 'countedsales');
UPDATE audit_entries SET subject_type = 'reports.countedshow'
 WHERE subject_type = 'bookings.countedshow';
UPDATE audit_entries SET subject_type = 'reports.countedsales'
 WHERE subject_type = 'bookings.countedsales';

-- Django makes content types after migrating, and the permission needs this one now.
INSERT INTO django_content_type (app_label, model) VALUES ('reports', 'countedshow')
    ON CONFLICT DO NOTHING;
UPDATE auth_permission SET content_type_id = reports.id
  FROM django_content_type AS orders, django_content_type AS reports
 WHERE codename = 'view_reports' AND content_type_id = orders.id
   AND (orders.app_label, orders.model) = ('bookings', 'order')
   AND (reports.app_label, reports.model) = ('reports', 'countedshow');
"""

MOVE_BACK_TO_BOOKINGS = """
INSERT INTO django_content_type (app_label, model) VALUES ('bookings', 'order')
    ON CONFLICT DO NOTHING;
UPDATE auth_permission SET content_type_id = orders.id
  FROM django_content_type AS orders, django_content_type AS reports
 WHERE codename = 'view_reports' AND content_type_id = reports.id
   AND (orders.app_label, orders.model) = ('bookings', 'order')
   AND (reports.app_label, reports.model) = ('reports', 'countedshow');

UPDATE audit_entries SET subject_type = 'bookings.countedsales'
 WHERE subject_type = 'reports.countedsales';
UPDATE audit_entries SET subject_type = 'bookings.countedshow'
 WHERE subject_type = 'reports.countedshow';
UPDATE django_content_type SET app_label = 'bookings'
 WHERE app_label = 'reports' AND model IN ('countedshow', 'countedsales');
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("accounts", "0003_audit_entries"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("bookings", "0010_models_of_other_apps"),
        ("catalog", "0008_seat_facts"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="CountedShow",
                    fields=[
                        ("show", models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name="+", serialize=False, to="catalog.show")),
                        ("seats_for_sale", models.PositiveIntegerField(null=True)),
                        ("counted_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "db_table": "counted_shows",
                        "permissions": (("view_reports", "Can see admissions and takings"),),
                        "constraints": [models.CheckConstraint(condition=models.Q(models.Q(("counted_at__isnull", True), ("seats_for_sale__isnull", True)), models.Q(("counted_at__isnull", False), ("seats_for_sale__isnull", False)), _connector="OR"), name="counted_show_whole")],
                    },
                ),
                migrations.CreateModel(
                    name="CountedSales",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("channel", models.CharField(max_length=12)),
                        ("currency", models.CharField(max_length=3)),
                        ("admissions", models.PositiveIntegerField()),
                        ("priced", models.PositiveIntegerField(help_text="The admissions whose price is known.")),
                        ("gross", models.DecimalField(decimal_places=2, max_digits=12)),
                        ("show", models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name="sales", to="reports.countedshow")),
                    ],
                    options={
                        "db_table": "counted_sales",
                        "constraints": [models.UniqueConstraint(fields=("show", "channel", "currency"), name="counted_sales_one_per_kind")],
                    },
                ),
            ]
        ),
        migrations.RunSQL(MOVE_TO_REPORTS, MOVE_BACK_TO_BOOKINGS),
    ]
