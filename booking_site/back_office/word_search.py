"""The search of the back office's lists and autocomplete fields."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from booking_site.postgres.words import FoldedWords, words_beginning_with


class WordSearch(admin.ModelAdmin):  # type: ignore[type-arg] # not generic at run time
    """Finds rows in whose `search_fields` each typed word begins a word."""

    def matching(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Return the rows that match the text, which is not empty."""
        with_words: QuerySet[Any] = rows.alias(row_words=FoldedWords(*self.search_fields))
        return with_words.filter(row_words=words_beginning_with(text))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.replace("\0", "").strip()  # PostgreSQL's text has no NUL
        return (self.matching(queryset, text) if text else queryset), False
