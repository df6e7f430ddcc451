"""The description of the API, for machines."""

from threading import Lock

from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

_ALONE = Lock()


class SchemaView(SpectacularAPIView):
    """drf-spectacular loads its extensions when first asked, and two threads at once stumble."""

    def _get_schema_response(self, request: Request) -> Response:
        with _ALONE:
            answer: Response = super()._get_schema_response(request)  # type: ignore[no-untyped-call]
        return answer
