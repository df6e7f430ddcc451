"""Routes API requests through API_MIDDLEWARE, and only pages through the rest of MIDDLEWARE.

The API identifies its callers by tokens, so it needs no middleware for sessions, forms, messages
or static files, which would slow it down.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from booking_site.api.problems import in_api

Handler = Callable[[HttpRequest], HttpResponse]


class ApiHandler(BaseHandler):
    """Calls views through API_MIDDLEWARE, none of which has a hook such as `process_view`."""

    _view_middleware = _template_response_middleware = _exception_middleware = ()

    def __init__(self) -> None:
        answer: Any = convert_exception_to_response(self._get_response)  # type: ignore[attr-defined]
        for path in reversed(settings.API_MIDDLEWARE):
            answer = convert_exception_to_response(import_string(path)(answer))
        self.answer: Handler = answer


def api(get_response: Handler) -> Handler:
    handler = ApiHandler()

    def middleware(request: HttpRequest) -> HttpResponse:
        return handler.answer(request) if in_api(request) else get_response(request)

    return middleware
