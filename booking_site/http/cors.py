"""Which other sites' pages may read the API: django-cors-headers, for who comes from one."""

from corsheaders.middleware import CorsMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class Cors(CorsMiddleware):
    """Calls without an Origin, those of servers, apps and pages of ours, hardly need it."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "HTTP_ORIGIN" in request.META or request.method == "OPTIONS":
            return super().__call__(request)  # type: ignore[return-value] # nothing is async
        response: HttpResponseBase = self.get_response(request)  # type: ignore[assignment] # (same)
        if "Vary" not in response.headers:  # else it names Origin, see `conditional`
            self.add_response_headers(request, response)
        return response
