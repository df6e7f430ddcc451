"""Moves the imported rows here from `bookings`, without changing their table.

The content type is renamed in place, so permissions, and the roles and users that have them,
need no change.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("accounts", "0003_audit_entries"),
        ("bookings", "0010_models_of_other_apps"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="ImportedRow",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("venue", models.CharField(db_column="house", max_length=80)),
                        ("kind", models.CharField(help_text="The table, which has the same name in both.", max_length=12)),
                        ("original_id", models.BigIntegerField()),
                        ("own_id", models.BigIntegerField()),
                    ],
                    options={
                        "db_table": "imported_rows",
                        "constraints": [models.UniqueConstraint(fields=("venue", "kind", "original_id"), name="imported_row_taken_once"), models.UniqueConstraint(fields=("kind", "own_id"), name="imported_row_became_one")],
                    },
                ),
            ]
        ),
        migrations.RunSQL(
            """
            UPDATE django_content_type SET app_label = 'legacy_import'
             WHERE app_label = 'bookings' AND model = 'importedrow';
            UPDATE audit_entries SET subject_type = 'legacy_import.importedrow'
             WHERE subject_type = 'bookings.importedrow';
            """,
            """
            UPDATE audit_entries SET subject_type = 'bookings.importedrow'
             WHERE subject_type = 'legacy_import.importedrow';
            UPDATE django_content_type SET app_label = 'bookings'
             WHERE app_label = 'legacy_import' AND model = 'importedrow';
            """,
        ),
    ]
