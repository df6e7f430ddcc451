"""Serves the OpenAPI schema and its interactive page."""

from collections.abc import Mapping
from threading import Lock
from typing import ClassVar

from django.conf import settings
from django.http import HttpResponse
from django.utils.translation import gettext
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer2, OpenApiYamlRenderer2
from drf_spectacular.utils import OpenApiParameter, extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from booking_site.api.openapi.schema import operation

_LOCK = Lock()
_documents: dict[str, str | bytes] = {}  # by media type
_RENDERERS: dict[str, type[BaseRenderer]] = {
    "json": OpenApiJsonRenderer2,
    "yaml": OpenApiYamlRenderer2,
}
_FORMAT = OpenApiParameter("format", str, enum=[*_RENDERERS], description="Overrides Accept.")


class SchemaView(SpectacularAPIView):
    """Serves a document that is generated once for each media type.

    Generating it takes half a second, and anybody may ask for it.
    """

    def perform_content_negotiation(
        self, request: Request, force: bool = False
    ) -> tuple[BaseRenderer, str]:
        wanted = request.query_params.get("format")
        if not wanted:
            return super().perform_content_negotiation(request, force)
        if wanted not in _RENDERERS:
            raise ValidationError({"format": [gettext("Enter json or yaml.")]})
        renderer = _RENDERERS[wanted]()
        return renderer, str(renderer.media_type)

    @operation("schema_read", parameters=[_FORMAT], exclude=True)
    def get(self, request: Request) -> HttpResponse:
        renderer = request.accepted_renderer
        media_type = renderer.media_type
        with _LOCK:  # drf-spectacular's first use is not thread-safe
            if media_type not in _documents:
                schema = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
                _documents[media_type] = renderer.render(schema, renderer_context={})
        name = self._get_filename(request, "")  # type: ignore[no-untyped-call]
        return HttpResponse(
            _documents[media_type],
            content_type=f"{media_type}; charset=utf-8",
            headers={"Content-Disposition": f'inline; filename="{name}"'},
        )


class DocsView(SpectacularSwaggerView):
    """Swagger UI, in a page of ours. In development it offers to log in by `demo_login`."""

    demo_login: ClassVar[Mapping[str, str] | None] = None  # email and password

    @extend_schema(exclude=True)  # a page, so no `operation`: it ignores unknown query parameters
    def get(self, request: Request) -> Response:
        demo_login = self.demo_login if settings.DEVELOPMENT else None
        return Response({"demo_login": demo_login}, template_name="site/docs.html")
