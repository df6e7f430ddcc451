"""The operations of a view, and the query parameters of each.

An unknown parameter is refused: ignoring the one in `?serach=dune` would list every movie.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache
from itertools import islice
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.views import APIView

from booking_site.api.problems import exception_handler

View = Callable[..., Any]

MAX_REPORTED = 10  # unknown parameters in one response


@cache
def handlers(view: View) -> Mapping[str, str]:
    """Return the methods of a DRF view by the HTTP method that they handle: `{"GET": "list"}`.

    Empty for a plain function.
    """
    cls = getattr(view, "cls", None)
    names = getattr(view, "actions", None) or {
        name: name for name in getattr(cls, "http_method_names", ()) if hasattr(cls, name)
    }
    if "get" in names:
        names = names | {"head": names["get"]}
    return {method.upper(): name for method, name in names.items() if method != "options"}


def unknown_parameters(request: HttpRequest, view: View) -> HttpResponse | None:
    """Return a 400 that names the unknown query parameters; None if all are known.

    Pages are not operations and ignore them: mail programs and chats add their own to links.
    """
    name = handlers(view).get(request.method or "")
    known = known_parameters(view.cls, name) if name else None  # type: ignore[attr-defined]
    if known is None:
        return None
    unknown = (parameter for parameter in request.GET if parameter not in known)
    if errors := {each: [_explanation(each, known)] for each in islice(unknown, MAX_REPORTED)}:
        return exception_handler(ValidationError(errors), {"request": request})
    return None


@cache
def known_parameters(cls: type[APIView], name: str) -> frozenset[str] | None:
    """Return the query parameters of an operation: declared ones, filters and those of pages.

    None if this method of the class is not an operation (see `booking_site.api.openapi.schema`).
    """
    declared: frozenset[str] | None = getattr(getattr(cls, name), "query_parameters", None)
    if declared is None or name != "list":
        return declared
    filters = getattr(cls, "filterset_class", None)
    pages = getattr(cls, "pagination_class", None)
    return declared.union(
        filters.base_filters if filters else (),
        (each["name"] for each in pages().get_schema_operation_parameters(cls)) if pages else (),
    )


def _explanation(parameter: str, known: frozenset[str]) -> str:
    if nearest := get_close_matches(parameter[:60].lower(), sorted(known), n=1):
        return _("Unknown parameter. Did you mean “%(name)s”?") % {"name": nearest[0]}
    if known:
        names = ", ".join(sorted(known))
        return _("Unknown parameter. The known ones are: %(names)s.") % {"names": names}
    return _("Unknown parameter: this address has none.")
