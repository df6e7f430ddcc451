"""Adds the table of archived rooms. Reversing it fails once a room is archived.

Then seats have been deleted that only this table describes.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import booking_site.money

REFUSE_IF_ARCHIVED = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM archived_rooms WHERE seat_count > 0) THEN
        RAISE EXCEPTION 'Seats have been archived, which only this table describes.';
    END IF;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0018_poster_address_visible")]

    operations = [
        migrations.CreateModel(
            name='ArchivedRoom',
            fields=[
                ('show', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='archived_room', serialize=False, to='catalog.show')),
                ('layout', models.TextField()),
                ('has_positions', models.BooleanField(help_text='Whether its seats have `x` and `y`.')),
                ('seat_ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(null=True), size=None)),
                ('prices', django.contrib.postgres.fields.ArrayField(base_field=booking_site.money.AmountField(max_digits=9, null=True), size=None)),
                ('block_reasons', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200, null=True), help_text='Null for an available seat, otherwise the reason, which can be empty.', size=None)),
                ('lowest_price', booking_site.money.AmountField(help_text='Of the available seats whose rows have been deleted.', max_digits=9, null=True)),
                ('seat_count', models.GeneratedField(db_persist=True, expression=models.Func(output_field=models.IntegerField(), template='cardinality(array_remove(seat_ids, NULL))'), output_field=models.IntegerField())),
                ('available_count', models.GeneratedField(db_persist=True, expression=models.Func(output_field=models.IntegerField(), template='cardinality(array_remove(seat_ids, NULL)) - cardinality(array_remove(block_reasons, NULL))'), output_field=models.IntegerField())),
            ],
            options={
                'db_table': 'archived_rooms',
                'constraints': [models.CheckConstraint(condition=models.Q(('seat_ids__len', models.F('prices__len')), ('seat_ids__len', models.F('block_reasons__len'))), name='archived_room_arrays_agree')],
            },
        ),
        migrations.RunSQL(
            sql="""
            ALTER TABLE archived_rooms ADD CONSTRAINT archived_room_of_show
                FOREIGN KEY (show_id) REFERENCES shows (id) ON DELETE CASCADE;
            """,
            reverse_sql=REFUSE_IF_ARCHIVED
            + "ALTER TABLE archived_rooms DROP CONSTRAINT archived_room_of_show",
        ),
    ]
