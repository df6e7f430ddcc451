"""Routes API requests through API_MIDDLEWARE, and only pages through the rest of MIDDLEWARE.

The API identifies its callers by tokens, so it needs no middleware for sessions, forms, messages
or static files, which would slow it down.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.urls import get_resolver
from django.utils.module_loading import import_string

from booking_site.api.operations import handlers, unknown_parameters
from booking_site.api.problems import in_api
from booking_site.http.views import options_response

Handler = Callable[[HttpRequest], HttpResponse]


def api(get_response: Handler) -> Handler:
    answer: Any = convert_exception_to_response(_call_view)
    for path in reversed(settings.API_MIDDLEWARE):
        answer = convert_exception_to_response(import_string(path)(answer))

    def middleware(request: HttpRequest) -> HttpResponse:
        return answer(request) if in_api(request) else get_response(request)

    return middleware


def _call_view(request: HttpRequest) -> HttpResponse:
    """Do what Django does behind its middleware, without hooks such as `process_view`."""
    match = request.resolver_match = get_resolver().resolve(request.path_info)
    if request.method == "OPTIONS" and (methods := handlers(match.func)):
        return options_response(methods)
    if request.META["QUERY_STRING"] and (refusal := unknown_parameters(request, match.func)):
        return refusal
    response = match.func(request, *match.args, **match.kwargs)
    # Responses of DRF are rendered here.
    return response.render() if isinstance(response, SimpleTemplateResponse) else response
