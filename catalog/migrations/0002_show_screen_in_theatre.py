"""A show's screen belongs to the show's theatre: a foreign key over both columns."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]

    operations = [
        migrations.RunSQL(
            sql="""
            ALTER TABLE shows ADD CONSTRAINT show_screen_in_theatre
                FOREIGN KEY (screen_id, theatre_id) REFERENCES screens (id, theatre_id)
                DEFERRABLE INITIALLY IMMEDIATE;
            """,
            reverse_sql="ALTER TABLE shows DROP CONSTRAINT show_screen_in_theatre;",
        ),
    ]
