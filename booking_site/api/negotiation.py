"""Chooses the media type of a response."""

from collections.abc import Iterable

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class Negotiation(DefaultContentNegotiation):
    """Respects qualities, unlike DRF's: `q=0` means never. An empty Accept means anything."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        offered = {str(renderer.media_type): renderer for renderer in renderers}
        accepts_any = request.META.get("HTTP_ACCEPT", "").strip() in ("", "*/*")
        preferred = next(iter(offered)) if accepts_any else request.get_preferred_type([*offered])
        if preferred is None:
            raise NotAcceptable
        return offered[preferred], preferred
