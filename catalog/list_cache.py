"""Caches whole lists as rendered bytes, until a row of their table changes."""

from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from django.http import HttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from booking_site.http.middleware import etag_of
from booking_site.postgres.pipeline import Statement

_VERSION = Statement('SELECT version FROM list_versions WHERE "table" = %(table)s')


class _Rendered(NamedTuple):
    version: UUID | None  # None: the table has never been written
    body: bytes
    headers: Mapping[str, str]


class _Entry:
    rendered: _Rendered | None = None


@lru_cache(maxsize=64)
def _entry(table: str, origin: Hashable) -> _Entry:
    return _Entry()


def cached_list(*, table: str, origin: Hashable, make: Callable[[], Response]) -> HttpResponse:
    """Return the response of `make`, rendered again only if the table changed. One statement."""
    # Read before the list, so the list may be newer than its version but never older.
    found = _VERSION.row(table=table)
    version = found[0] if found else None
    entry = _entry(table, origin)
    rendered = entry.rendered
    if rendered is None or rendered.version != version:
        response = make()
        body = JSONRenderer().render(response.data)
        headers = {name: response[name] for name in ("Link", "X-Total-Count")}
        rendered = _Rendered(version, body, {**headers, "ETag": etag_of(body)})
        entry.rendered = rendered if version is not None else None
    return HttpResponse(rendered.body, "application/json", headers=rendered.headers)
