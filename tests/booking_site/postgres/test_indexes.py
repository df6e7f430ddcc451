import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.state import ProjectState

from booking_site.postgres.indexes import AddIndexConcurrently
from bookings.models import Order


@pytest.mark.django_db(transaction=True)
def test_a_migration_that_was_interrupted_can_be_repeated() -> None:
    index = next(each for each in Order._meta.indexes if each.name == "order_by_folded_name")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false"
            " WHERE indexrelid = 'order_by_folded_name'::regclass"
        )
        state = ProjectState.from_apps(apps)
        with connection.schema_editor(atomic=False) as editor:
            AddIndexConcurrently("order", index).database_forwards("bookings", editor, state, state)
        cursor.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'order_by_folded_name'::regclass"
        )
        assert cursor.fetchone() == (True,)
