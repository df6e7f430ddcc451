"""Random token versions for new accounts, and sign-ins that end with the tokens of their user.

An account that a restore has lost and the one that gets its id have different versions. Stored
versions stay, so all tokens stay valid. The default concerns new rows only, so no table is
rewritten.
"""

from django.db import migrations, models
from django.db.models import Value
from django.db.models.functions import Cast, Random


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_names_without_links")]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="token_version",
            field=models.PositiveIntegerField(
                db_default=Cast(Random() * Value(2.0**30), models.IntegerField()), editable=False
            ),
        ),
        migrations.RunSQL(
            sql="""
            CREATE FUNCTION end_sign_ins_of_user() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                UPDATE sign_ins SET ended_at = statement_timestamp()
                 WHERE user_id = NEW.id AND ended_at IS NULL;
                RETURN NULL;
            END $$;

            CREATE TRIGGER users_end_sign_ins AFTER UPDATE OF token_version ON users
                FOR EACH ROW
                WHEN (OLD.token_version <> NEW.token_version)
                EXECUTE FUNCTION end_sign_ins_of_user();
            """,
            reverse_sql="""
            DROP TRIGGER users_end_sign_ins ON users;
            DROP FUNCTION end_sign_ins_of_user();
            """,
        ),
    ]
