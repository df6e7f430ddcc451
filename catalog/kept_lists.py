"""Lists kept as the bytes that go out, as long as the table they come from is unchanged.

Building the list of 100 movies took ten times as long as all the rest of its call.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from django.http import HttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from booking_site.middleware import etag_of
from booking_site.postgres.statements import Statement

KEPT_ANSWERS = 64


_VERSION = Statement('SELECT version FROM list_versions WHERE "table" = %(table)s')


class _Answer(NamedTuple):
    version: UUID
    body: bytes
    headers: dict[str, str]


# By address, the first made first.
_answers: OrderedDict[str, _Answer] = OrderedDict()


def kept_list(*, table: str, address: str, make: Callable[[], Response]) -> HttpResponse:
    """Answer what `make` does, made anew only when the table has changed; one statement."""
    # Before the list is made: what is read after the version may be newer, never older.
    version = _version(table)
    answer = _answers.get(address)
    if answer is None or answer.version != version:
        made = make()
        body = JSONRenderer().render(made.data)
        headers = {name: made[name] for name in ("Link", "X-Total-Count")}
        headers["ETag"] = etag_of(body)
        if version is None:  # the table has never been written
            return HttpResponse(body, "application/json", headers=headers)
        answer = _answers[address] = _Answer(version, body, headers)
        while len(_answers) > KEPT_ANSWERS:
            _answers.popitem(last=False)
    return HttpResponse(answer.body, "application/json", headers=answer.headers)


def _version(table: str) -> UUID | None:
    found = _VERSION.row(table=table)
    return found[0] if found else None
