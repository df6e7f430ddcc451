"""Which media type to answer in."""

from collections.abc import Iterable

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class Negotiation(DefaultContentNegotiation):
    """DRF's, which knows nothing of qualities: `q=0` means never, and an empty Accept anything."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        offered = {str(renderer.media_type): renderer for renderer in renderers}
        anything = request.META.get("HTTP_ACCEPT", "").strip() in ("", "*/*")
        preferred = next(iter(offered)) if anything else request.get_preferred_type([*offered])
        if preferred is None:
            raise NotAcceptable
        return offered[preferred], preferred
