"""PostgreSQL's clock decides when a task was enqueued, and unfinished tasks have an index.

The library sets `enqueued_at` from the clock of the process.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION task_enqueued_now() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.enqueued_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER task_enqueued_now BEFORE INSERT ON django_tasks_database_dbtaskresult
    FOR EACH ROW EXECUTE FUNCTION task_enqueued_now();
CREATE INDEX task_unfinished ON django_tasks_database_dbtaskresult (status)
    WHERE status <> 'SUCCESSFUL';
"""
BACKWARD = """
DROP INDEX task_unfinished;
DROP TRIGGER task_enqueued_now ON django_tasks_database_dbtaskresult;
DROP FUNCTION task_enqueued_now;
"""


class Migration(migrations.Migration):
    dependencies = [("django_tasks_database", "0021_conditional_partial_index_ordering")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
