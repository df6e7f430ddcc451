"""Serves the OpenAPI schema."""

from threading import Lock

from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

_LOCK = Lock()


class SchemaView(SpectacularAPIView):
    """Generates one schema at a time: drf-spectacular's first use is not thread-safe."""

    def _get_schema_response(self, request: Request) -> Response:
        with _LOCK:
            response: Response = super()._get_schema_response(request)  # type: ignore[no-untyped-call]
        return response
