"""Pagination of lists: a bare array, with links to other pages and the total in headers."""

import re
from collections.abc import Sequence
from typing import Any

from django.db.models import IntegerField, QuerySet, Subquery
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param
from rest_framework.views import APIView

from booking_site.api.fields import utc_text
from booking_site.api.openapi.values import COUNT

MAX_PAGE_SIZE = 500
DEFAULT_PAGE_SIZE = 50  # a view may set its own `default_page_size`


class PageNumbers(BasePagination):
    """`?page=N&page_size=M`; a page past the end is empty.

    The next page of rows that have changed since a time begins after the last row, because a row
    that changes between two requests leaves its page, and others would be skipped.
    """

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        self.request = request
        self.page = _page_parameter(request, "page", default=1, maximum=10**9)
        default = getattr(view, "default_page_size", DEFAULT_PAGE_SIZE)
        self.page_size = _page_parameter(
            request, "page_size", default=default, maximum=MAX_PAGE_SIZE
        )
        start = (self.page - 1) * self.page_size
        if isinstance(queryset, QuerySet):
            self.rows, self.total = _page_and_total(queryset, start, start + self.page_size)
        else:
            self.rows = list(queryset[start : start + self.page_size])
            self.total = len(queryset)
        return self.rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response(data, headers={"Link": self._links(), "X-Total-Count": str(self.total)})

    def _links(self) -> str:
        last = max(1, -(-self.total // self.page_size))
        pages = {"first": 1}
        if self.page > 1:
            pages["prev"] = min(self.page - 1, last)
        if self.page < last:
            pages["next"] = self.page + 1
        pages["last"] = last
        url = self.request.build_absolute_uri()
        links = {rel: replace_query_param(url, "page", page) for rel, page in pages.items()}
        if "next" in links and self.request.query_params.get("updated_since"):
            url = remove_query_param(url, "page")
            url = replace_query_param(url, "updated_since", utc_text(self.rows[-1].updated_at))
            links["next"] = replace_query_param(url, "after_id", self.rows[-1].pk)
        return ", ".join(f'<{address}>; rel="{rel}"' for rel, address in links.items())

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        return [
            {
                "name": "page",
                "in": "query",
                "description": "The page, from 1. A page past the end is empty.",
                "schema": COUNT | {"minimum": 1, "maximum": 10**9, "default": 1},
            },
            {
                "name": "page_size",
                "in": "query",
                "description": "Items per page.",
                "schema": COUNT
                | {
                    "minimum": 1,
                    "maximum": MAX_PAGE_SIZE,
                    "default": getattr(view, "default_page_size", DEFAULT_PAGE_SIZE),
                },
            },
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return schema


class _Total(Subquery):
    """The number of rows of a queryset, counted once by the statement that reads a page of it."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def _page_and_total(queryset: QuerySet[Any], start: int, end: int) -> tuple[list[Any], int]:
    """Return a page of rows and the number of all; one statement unless the page is empty."""
    total = _Total(queryset.order_by().values("pk"))
    # With OFFSET alone, PostgreSQL computes the columns of the skipped rows as well.
    keys = queryset.values("pk")[start:end]
    rows = queryset.filter(pk__in=keys) if start else queryset[:end]
    page = list(rows.annotate(total_of_list=total))
    if page:
        return page, page[0].total_of_list
    return page, queryset.count() if start else 0


def _page_parameter(request: Request, name: str, *, default: int, maximum: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text, re.ASCII) or int(text) > maximum:
        sentence = _("Enter a whole number from 1 to %(maximum)d.")
        raise ValidationError({name: [sentence % {"maximum": maximum}]})
    return int(text)
