"""Chooses the media type of a response."""

from collections.abc import Iterable, Sequence

from django.http import HttpRequest
from django.http.request import MediaType
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


def preferred_type(request: HttpRequest | Request, offered: Sequence[str]) -> str | None:
    """Return which of these media types the client prefers; None if it accepts none of them.

    A quality of 0 means never, and a missing or empty Accept means anything. Other parameters, such
    as `charset`, are ignored: Django would require the offered type to have the same ones.
    """
    header = request.META.get("HTTP_ACCEPT", "").strip()
    if header in ("", "*/*"):
        return offered[0]
    for accepted in request.accepted_types:
        accepted.range_params = {}
    if "0" in header:
        # Django leaves out types with `q=0`, and a wildcard would then accept them.
        types = [MediaType(each) for each in header.split(",")]
        refused = {f"{each.main_type}/{each.sub_type}" for each in types if not each.quality}
        offered = [each for each in offered if each not in refused]
    return request.get_preferred_type(offered)


class Negotiation(DefaultContentNegotiation):
    """Respects qualities, unlike DRF's."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        offered = {str(renderer.media_type): renderer for renderer in renderers}
        preferred = preferred_type(request, [*offered])
        if preferred is None:
            raise NotAcceptable
        return offered[preferred], preferred
