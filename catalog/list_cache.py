"""Lists cached as the bytes that go out, until a row of their table changes.

Rendering a list costs several times as much as the rest of its request.
"""

from collections.abc import Callable, Mapping
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
def _entry(address: str) -> _Entry:
    return _Entry()


def cached_list(*, table: str, address: str, make: Callable[[], Response]) -> HttpResponse:
    """Return what `make` makes, which is called only if the table has changed; one statement."""
    # Read before the list is made: the list may then be newer than its version, never older.
    found = _VERSION.row(table=table)
    version = found[0] if found else None
    entry = _entry(address)
    rendered = entry.rendered
    if rendered is None or rendered.version != version:
        response = make()
        body = JSONRenderer().render(response.data)
        headers = {name: response[name] for name in ("Link", "X-Total-Count")}
        rendered = _Rendered(version, body, {**headers, "ETag": etag_of(body)})
        entry.rendered = rendered if version is not None else None
    return HttpResponse(rendered.body, "application/json", headers=rendered.headers)
