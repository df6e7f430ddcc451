"""The description of the API, for machines."""

from threading import Lock
from typing import Any

from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

_ALONE = Lock()


class SchemaView(SpectacularAPIView):
    """drf-spectacular loads its extensions when first asked, and two threads at once stumble."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with _ALONE:
            answer: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        return answer
