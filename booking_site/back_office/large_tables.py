"""Lists of tables that grow with every sale."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.paginator import InfinitePaginator

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Any]
else:
    Base = object


class LargeTable(Base):
    """A list that reads one page by an index: it has no total and one order.

    `search_fields` only switches the search on; `matching` is the search.
    """

    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()

    def matching(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Return the rows that match the text, which is not empty."""
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.replace("\0", "").strip()  # PostgreSQL's text has no NUL
        return (self.matching(queryset, text) if text else queryset), False
