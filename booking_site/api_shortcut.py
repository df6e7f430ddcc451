"""Two ways to the views: pages pass all of MIDDLEWARE, calls of the API a short list of their own.

Who calls the API is told by a token, so it knows no session, form, message or file. What
pages need for those was a sixth of the list of movies.
"""

from collections.abc import Callable
from threading import local

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from booking_site.api.problems import in_api

Handler = Callable[[HttpRequest], HttpResponse]

# What `views` leaves for `api`: Django makes the middlewares of a handler in one go, last first.
_made = local()


def api(get_response: Handler) -> Handler:
    """Send calls of the API through API_MIDDLEWARE instead of what follows in MIDDLEWARE.

    Only their way in and out counts: Django looks for hooks such as `process_view` in
    MIDDLEWARE, and calls those of pages for the API too (CSRF lets its views pass).
    """
    answer = _made.views
    for path in reversed(settings.API_MIDDLEWARE):
        answer = convert_exception_to_response(import_string(path)(answer))

    def middleware(request: HttpRequest) -> HttpResponse:
        way: Handler = answer if in_api(request) else get_response
        return way(request)

    return middleware


def views(get_response: Handler) -> Handler:
    """Mark where both ways meet; what is called is the views themselves."""
    _made.views = get_response
    return get_response
