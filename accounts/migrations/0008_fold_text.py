"""Functions that fold texts for searches."""

from django.db import migrations

# Apostrophes and hyphens in all their forms become ' and -. Accents go, and letters that have no
# decomposition are replaced by those that people type instead. Other punctuation and symbols
# become spaces, as PostgreSQL's parser judges them by the locale of the database.
FOLD_TEXT = r"""
CREATE FUNCTION fold_text(typed text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN regexp_replace(
    replace(replace(replace(
        lower(translate(
            normalize(
                regexp_replace(
                    normalize(
                        translate(typed, '`´‘’‛ʹʻʼ′‐‑‒–—−', '''''''''''''''''''------'),
                        NFKD
                    ),
                    '[\u0300-\u036f]', '', 'g'
                ),
                NFKC
            ),
            'ÆŒẞØøŁłĐđÐðı', 'æœßOoLlDdDdi'
        )),
        'æ', 'ae'), 'œ', 'oe'), 'ß', 'ss'),
    '[\u0001-&(-,./:-@\[-`{-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7'
    '\u2000-\u206f\u2190-\u2bff\u3000-\u3004\u3008-\u3020\u30fb\U0001f000-\U0001faff]',
    ' ', 'g'
)
"""

# A word with an apostrophe or a hyphen is found by its parts and by the whole. The limit keeps the
# words of one text below PostgreSQL's limit for a tsvector.
FOLDED_WORDS = """
CREATE FUNCTION folded_words(typed text) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN to_tsvector(
    'simple'::regconfig,
    translate(fold_text(left(typed, 50000)), '''-', '')
    || ' ' || translate(fold_text(left(typed, 50000)), '''-', '  ')
)
"""

WORDS_BEGINNING_WITH = """
CREATE FUNCTION words_beginning_with(typed text) RETURNS tsquery
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    SELECT to_tsquery('simple'::regconfig, coalesce(string_agg(
               CASE WHEN parts = whole THEN whole || ':*'
                    ELSE '(' || whole || ':* | ' || regexp_replace(parts, ' +', ':* & ', 'g')
                         || ':*)' END,
               ' & '), ''))
      FROM (SELECT translate(word, '''-', '') AS whole,
                   btrim(translate(word, '''-', '  ')) AS parts
              FROM regexp_split_to_table(fold_text(typed), ' +') AS word) AS words
     WHERE whole <> ''
)
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_refresh_grace")]

    operations = [
        migrations.RunSQL(FOLD_TEXT, "DROP FUNCTION fold_text"),
        migrations.RunSQL(FOLDED_WORDS, "DROP FUNCTION folded_words"),
        migrations.RunSQL(WORDS_BEGINNING_WITH, "DROP FUNCTION words_beginning_with"),
    ]
