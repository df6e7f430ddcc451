"""What only pages need, and the API goes past: they were a twentieth of a seat map.

Who calls the API is told by its token, so it knows no session, no user of a session
and no messages. CsrfViewMiddleware stays for both: it lets API views pass by itself.
"""

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from booking_site.problems import in_api


class _PagesOnly(MiddlewareMixin):
    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if in_api(request):
            return self.get_response(request)  # type: ignore[return-value] # nothing is async
        return super().__call__(request)  # type: ignore[return-value] # (same)


class PageSessions(_PagesOnly, SessionMiddleware):
    pass


class PageUsers(_PagesOnly, AuthenticationMiddleware):
    pass


class PageMessages(_PagesOnly, MessageMiddleware):
    pass
