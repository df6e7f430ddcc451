"""Compresses responses of the API for clients that accept it.

Brotli at quality 1 and gzip at level 1: docs/performance.md compares them with others.
"""

import gzip
import re
from collections.abc import Callable
from functools import lru_cache

import brotli
from django.http import HttpRequest, HttpResponse

Handler = Callable[[HttpRequest], HttpResponse]

# Shorter bodies fit into one packet, compressed or not.
MIN_LENGTH = 1024
MEDIA_TYPES = (
    "application/json",
    "application/problem+json",
    "application/vnd.oai.openapi",
    "application/yaml",
    "text/html",
)
# These responses contain tokens next to text of the client: with compression, their length would
# reveal whether the two have something in common (BREACH). deploy/nginx.conf excludes them, too.
NEVER_COMPRESSED = re.compile(r"/api/auth(/|$)")
# By preference, if a client accepts several equally.
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "br": lambda body: brotli.compress(body, quality=1),
    "gzip": lambda body: gzip.compress(body, compresslevel=1, mtime=0),
}
WEIGHT = re.compile(r"\s*q\s*=\s*(0(\.\d{0,3})?|1(\.0{0,3})?)\s*", re.IGNORECASE)


def compress(get_response: Handler) -> Handler:
    """Send a body of 1 KiB or more in the content coding that the client prefers.

    The ETag is weak and that of the uncompressed body, so every coding has the same.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        accepted = request.META.get("HTTP_ACCEPT_ENCODING")
        coding = preferred_coding(accepted) if accepted else None
        if coding is None or response.streaming or len(response.content) < MIN_LENGTH:
            return response
        headers = response.headers
        if "Content-Encoding" in headers or NEVER_COMPRESSED.match(request.path_info):
            return response
        if headers.get("Content-Type", "").startswith(MEDIA_TYPES):
            response.content = CODINGS[coding](response.content)
            headers["Content-Encoding"] = coding
            headers.pop("Content-Length", None)
        return response

    return middleware


@lru_cache(maxsize=256)
def preferred_coding(accept_encoding: str) -> str | None:
    """Return the coding of the highest weight (RFC 9110, 12.5.3); None for an uncompressed body.

    A client that also refuses an uncompressed body gets one nevertheless.
    """
    weights = {}
    for item in accept_encoding.lower().split(","):
        name, _, parameter = item.partition(";")
        weights[name.strip()] = _weight(parameter)
    others = weights.get("*", 0.0)
    coding = max(CODINGS, key=lambda name: weights.get(name, others))
    weight = weights.get(coding, others)
    return coding if weight > 0 and weight >= weights.get("identity", 0.0) else None


def _weight(parameter: str) -> float:
    """Return 1 without a parameter, and 0 if it is invalid."""
    if not parameter:
        return 1.0
    match = WEIGHT.fullmatch(parameter)
    return float(match[1]) if match else 0.0
