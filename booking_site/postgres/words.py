"""Full-text search in text columns, by PostgreSQL, with an index."""

from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.db.models import CharField, Func
from django.db.models.functions import Collate


class Words(Func):
    """The words of one or more columns as PostgreSQL's parser finds them.

    Migrations use it; searches use `FoldedWords`.
    """

    function = "to_tsvector"
    template = "%(function)s('simple'::regconfig, %(expressions)s)"
    arg_joiner = " || ' ' || "
    output_field = SearchVectorField()


class FoldedWords(Words):
    """The words of one or more columns without case, accents, apostrophes and hyphens.

    Indexes and queries contain the same expression, so that PostgreSQL can use the index.
    """

    function = "folded_words"
    template = "%(function)s(%(expressions)s)"


def folded(text: Any) -> Collate:
    """Return an expression that compares texts without case and accents, in every database."""
    return Collate(Func(text, function="fold_text", output_field=CharField()), "C")


class _BeginningWords(SearchQuery):
    SEARCH_TYPES = {"beginnings": "words_beginning_with"}


def words_beginning_with(text: str) -> SearchQuery:
    """Match rows in which every word of the text begins a word: `ada lov` finds Ada Lovelace.

    The words are folded like those of the row, so `oconnor` finds O'Connor and `zoe` Zoë.
    """
    return _BeginningWords(text, search_type="beginnings")
