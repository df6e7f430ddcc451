"""Reads that many make alike: what they say is made anew, the way to it is not gone again.

Of a call for the list of movies, which is kept, finding its view and what DRF does around it
took more than a third. A view whose answer depends on nothing but address, host, Accept and
caller answers by a `RenewableResponse`, which knows a function that makes its content. Who
calls in the same way afterwards gets what that function then says, under the headers of the
view's answer.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch

from booking_site.api.errors import DomainError
from booking_site.bounded import Bounded

Handler = Callable[[HttpRequest], HttpResponse]

# Twice as many as the rooms that are kept drawn.
KEPT_CALLS = 200
# Of what a client may write as it likes: longer ones are rare, and would fill the memory.
MAX_LENGTH = 500


class Content(NamedTuple):
    """A body, and the headers that say something of it, such as `ETag`."""

    body: bytes
    headers: Mapping[str, str]


Renew = Callable[[HttpRequest], Content | None]


class RenewableResponse(HttpResponse):
    """JSON that `renew` makes anew for another request of the same call.

    `renew` judges the caller, whose token may differ, and names them in `request.user`. It returns
    None, or raises a `DomainError`, when only the view can answer.
    """

    def __init__(self, content: Content, *, renew: Renew) -> None:
        super().__init__(content.body, "application/json", headers=content.headers)
        self.renew = renew


class _Kept(NamedTuple):
    renew: Renew
    headers: dict[str, str]
    resolver_match: ResolverMatch | None  # which the log and the numbers name


class _Call(NamedTuple):
    """All of a read without a query that a renewable answer may depend on, but the caller."""

    path: str
    host: str
    accept: str
    scheme: str | None


_kept: Bounded[_Call, _Kept] = Bounded(KEPT_CALLS)


def kept_calls(get_response: Handler) -> Handler:
    """Answer a call that was answered before without the middlewares and the view behind this."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD") or request.META.get("QUERY_STRING"):
            return get_response(request)
        call = _call(request)
        kept = _kept.get(call)
        if kept is not None and (content := _renewed(kept, request)):
            return HttpResponse(content.body, headers={**kept.headers, **content.headers})
        response = get_response(request)
        if isinstance(response, RenewableResponse) and len(call.host + call.accept) <= MAX_LENGTH:
            _kept[call] = _Kept(response.renew, dict(response.items()), request.resolver_match)
        return response

    return middleware


def _call(request: HttpRequest) -> _Call:
    # `get_host` raises DisallowedHost for one that is not ours, as it does on the way to the view.
    accept = request.META.get("HTTP_ACCEPT", "")
    return _Call(request.path, request.get_host(), accept, request.scheme)


def _renewed(kept: _Kept, request: HttpRequest) -> Content | None:
    request.resolver_match = kept.resolver_match  # also for the log of what fails now
    try:
        return kept.renew(request)
    except DomainError:
        return None
