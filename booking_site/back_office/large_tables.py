"""Lists of tables that grow with every sale."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.paginator import InfinitePaginator

from booking_site.back_office.name_order import NameOrder
from booking_site.back_office.word_search import WordSearch


class BoundedPaginator(InfinitePaginator):  # type: ignore[misc] # unfold is untyped
    """Counts at most `most_counted` rows. Beyond them, pages go on until one is empty."""

    template_name = "admin/bounded_pagination.html"
    most_counted = 10_000

    @cached_property
    def is_large(self) -> bool:
        return self._counted > self.most_counted

    @cached_property
    def count(self) -> int:
        return super().count if self.is_large else self._counted

    @cached_property
    def _counted(self) -> int:
        rows: QuerySet[Any] = self.object_list
        return rows.order_by().values("pk")[: self.most_counted + 1].count()


class LargeTableChangeList(NameOrder):
    """Sorts by any column; results too large to be counted only by columns with an index."""

    def get_queryset(self, request: HttpRequest, *excluded: Any) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request, *excluded)
        if not self._is_sorted_by_index() and BoundedPaginator(rows, 1).is_large:
            del self.params[ORDER_VAR]
            rows = rows.order_by(*self.get_ordering(request, self.root_queryset))
        return rows

    def _is_sorted_by_index(self) -> bool:
        chosen = self.get_ordering_field_columns()  # may have numbers beyond the last column
        columns = {name for number, name in enumerate(self.list_display) if number in chosen}
        return ORDER_VAR not in self.params or (
            len(columns) == 1 and columns <= set(self.model_admin.sortable_by)
        )

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if self.paginator.is_large:
            self.result_count = len(self.result_list)  # no action on all rows at once
        else:
            self.sortable_by = None


class LargeTable(WordSearch):
    """A list whose pages, counts and searches read an index, however many rows it has.

    `sortable_by` names the columns with an index. `search_fields` only switches the search
    on; `matching` is the search.
    """

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by: ClassVar[tuple[str, ...]] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NameOrder]:
        return LargeTableChangeList

    def matching(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Return the rows that match the text, which is not empty."""
        raise NotImplementedError
