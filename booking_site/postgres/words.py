"""Full-text search in text columns, by PostgreSQL, with an index."""

import re

from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.db.models import Func

_WORD = re.compile(r"[^\W_]+")


class Words(Func):
    """The words of one or more columns, in lower case, in any language.

    Indexes and queries contain the same expression, so that PostgreSQL can use the index.
    """

    function = "to_tsvector"
    template = "%(function)s('simple'::regconfig, %(expressions)s)"
    arg_joiner = " || ' ' || "
    output_field = SearchVectorField()


def words_beginning_with(text: str) -> SearchQuery:
    """Match rows in which every word of the text begins a word: `ada lov` finds Ada Lovelace."""
    query = " & ".join(f"{word}:*" for word in _WORD.findall(text))
    return SearchQuery(query, config="simple", search_type="raw")
