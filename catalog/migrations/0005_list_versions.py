"""Triggers that give the list of movies or theatres a new version with every change."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0004_movie_run")]

    operations = [
        migrations.CreateModel(
            name="ListVersion",
            fields=[
                (
                    "table",
                    models.CharField(max_length=40, primary_key=True, serialize=False),
                ),
                ("version", models.UUIDField()),
            ],
            options={"db_table": "list_versions"},
        ),
        migrations.RunSQL(
            sql="""
            CREATE FUNCTION renew_list_version() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                -- Random, not counted: a number that was rolled back is never given again.
                INSERT INTO list_versions ("table", version)
                VALUES (TG_TABLE_NAME, gen_random_uuid())
                ON CONFLICT ("table") DO UPDATE SET version = excluded.version;
                RETURN NULL;
            END $$;
            CREATE TRIGGER movies_renew_list_version
                AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON movies
                FOR EACH STATEMENT EXECUTE FUNCTION renew_list_version();
            CREATE TRIGGER theatres_renew_list_version
                AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON theatres
                FOR EACH STATEMENT EXECUTE FUNCTION renew_list_version();
            INSERT INTO list_versions ("table", version)
            VALUES ('movies', gen_random_uuid()), ('theatres', gen_random_uuid());
            """,
            reverse_sql="""
            DROP TRIGGER movies_renew_list_version ON movies;
            DROP TRIGGER theatres_renew_list_version ON theatres;
            DROP FUNCTION renew_list_version();
            """,
        ),
    ]
