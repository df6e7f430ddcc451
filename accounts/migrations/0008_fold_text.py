"""Functions that fold texts for searches."""

from django.db import migrations

FOLD_TEXT = r"""
CREATE FUNCTION fold_text(typed text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    folded text := typed;
BEGIN
    -- Apostrophes in all their forms become ', and hyphens and dashes become -. So do invisible
    -- characters within words: the soft hyphen and the joiners of Persian.
    folded := regexp_replace(folded, '[`´‘’‛ʹʻʼ′]', '''', 'g');
    folded := regexp_replace(folded, '[‐‑‒–—−\u00ad\u200c\u200d]', '-', 'g');
    -- Accents, and the vowel signs of Hebrew and Arabic, are removed.
    folded := regexp_replace(
        normalize(folded, NFKD), '[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670]', '', 'g');
    folded := lower(normalize(folded, NFKC));
    IF folded ~ '[ÆŒØŁĐÐĦÞẞΑ-ΩЀ-ЯҐ]' THEN
        -- In a database with the locale C, lower() changes ASCII letters only.
        folded := translate(
            folded,
            'ÆŒØŁĐÐĦÞẞΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯЄІҐЂЈЉЊЋЏ',
            'æœøłđðħþßαβγδεζηθικλμνξοπρστυφχψωабвгдежзиклмнопрстуфхцчшщъыьэюяєіґђјљњћџ');
    END IF;
    -- Letters that remain are replaced by those that people type instead.
    folded := translate(folded, 'øłđðħıς', 'olddhiσ');
    folded := replace(replace(folded, 'æ', 'ae'), 'œ', 'oe');
    folded := replace(replace(folded, 'ß', 'ss'), 'þ', 'th');
    -- Other punctuation and symbols become spaces, because PostgreSQL's parser judges them by the
    -- locale of the database.
    folded := regexp_replace(
        folded,
        '[\u0001-&(-,./:-@\[-`{-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7'
        '\u2000-\u206f\u2190-\u2bff\u3000-\u3004\u3008-\u3020\u30fb\U0001f000-\U0001faff]',
        ' ', 'g');
    -- Thai, Lao, Burmese, Khmer, Chinese and Japanese are written without spaces. Each of their
    -- characters begins a word, as if after a hyphen.
    RETURN regexp_replace(
        folded,
        '([\u0e01-\u0e2e\u0e40-\u0e44\u0e81-\u0eae\u0ec0-\u0ec4\u1000-\u1021\u1780-\u17b3'
        '\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff])',
        '-\1', 'g');
END
$$
"""

# A word with an apostrophe or a hyphen is found by its parts and by the whole. The limit keeps the
# words of one text below PostgreSQL's limit for a tsvector. With the default cost, 100, PostgreSQL
# would fold the names of all recent orders rather than use the index of the folded words.
FOLDED_WORDS = """
CREATE FUNCTION folded_words(typed text) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 1000
RETURN (
    SELECT to_tsvector(
               'simple'::regconfig,
               translate(folded, '''-', '  ') || ' ' || translate(folded, '''-', '')
           )
      FROM fold_text(left(typed, 50000)) AS folded
)
"""

# Of a word with an apostrophe or a hyphen, the parts have to follow each other. The limit keeps the
# expression below PostgreSQL's stack depth.
WORDS_BEGINNING_WITH = """
CREATE FUNCTION words_beginning_with(typed text) RETURNS tsquery
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    SELECT to_tsquery('simple'::regconfig, coalesce(string_agg(
               CASE WHEN parts = whole THEN whole || ':*'
                    ELSE '(' || whole || ':* | ' || regexp_replace(parts, ' +', ':* <-> ', 'g')
                         || ':*)' END,
               ' & '), ''))
      FROM (SELECT translate(word, '''-', '') AS whole,
                   btrim(translate(word, '''-', '  ')) AS parts
              FROM regexp_split_to_table(fold_text(left(typed, 1000)), ' +') AS word) AS words
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
