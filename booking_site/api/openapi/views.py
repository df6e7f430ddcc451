"""Serves the OpenAPI schema."""

from threading import Lock

from django.http import HttpResponse
from django.utils.translation import override
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request

_LOCK = Lock()
_documents: dict[str, str | bytes] = {}  # by media type


class SchemaView(SpectacularAPIView):
    """Serves a document that is generated once for each media type.

    Generating it takes half a second, and anybody may ask for it.
    """

    def _get_schema_response(self, request: Request) -> HttpResponse:
        renderer = request.accepted_renderer
        media_type = renderer.media_type
        # drf-spectacular's first use is not thread-safe. The document is in English for everybody.
        with _LOCK, override("en"):
            if media_type not in _documents:
                schema = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
                _documents[media_type] = renderer.render(schema, renderer_context={})
        name = self._get_filename(request, "")  # type: ignore[no-untyped-call]
        return HttpResponse(
            _documents[media_type],
            content_type=f"{media_type}; charset=utf-8",
            headers={"Content-Disposition": f'inline; filename="{name}"'},
        )
