"""Adds Content-Security-Policy and related headers.

Django's SecurityMiddleware adds HSTS, nosniff, Referrer-Policy and
Cross-Origin-Opener-Policy; X-Frame-Options comes from its own middleware.
"""

import base64
import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

Handler = Callable[[HttpRequest], HttpResponse]
Policy = dict[str, str]

_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_OUR_PAGES = ("site/root.html", "site/error.html", "site/problems.html")

NOTHING: Policy = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
# The theme uses Alpine, which evaluates expressions and sets styles in attributes. Inline
# scripts stay forbidden.
ADMIN: Policy = NOTHING | {
    "script-src": "'self' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
}
# The interactive documentation: Swagger UI.
DOCS: Policy = NOTHING | {
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
}
# Features of a device that none of our pages uses.
PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in ("camera", "geolocation", "microphone", "payment", "usb", "browsing-topics")
)


def security_headers(get_response: Handler) -> Handler:
    """Allow a browser only what the kind of response needs."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        headers = response.headers
        # The headers of a 304 would replace those of the cached page.
        if response.status_code != HTTPStatus.NOT_MODIFIED:
            is_page = headers.get("Content-Type", "").startswith("text/html")
            headers["Content-Security-Policy"] = _policy_of(request) if is_page else NO_PAGE
        headers["Permissions-Policy"] = PERMISSIONS
        # Pages of other sites can't embed a response; those in CORS_ALLOWED_ORIGINS can fetch it.
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    return middleware


def _policy_of(request: HttpRequest) -> str:
    if request.path_info.startswith("/admin/box-office/"):
        return _box_office_pages(settings.LIVE_URL)
    if request.path_info.startswith("/admin/"):
        return ADMIN_PAGES
    return DOCS_PAGE if request.path_info == "/api/docs" else _pages()


def _header(policy: Policy) -> str:
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


NO_PAGE = _header(NOTHING)
ADMIN_PAGES = _header(ADMIN)
DOCS_PAGE = _header(DOCS)


@lru_cache
def _box_office_pages(live_url: str) -> str:
    """Return the policy of pages that may also listen to the live process, if there is one."""
    return _header(ADMIN | {"connect-src": f"'self' {live_url}".rstrip()})


@lru_cache
def _pages() -> str:
    return _header(NOTHING | {"style-src": _style_hashes(*_OUR_PAGES)})


def _style_hashes(*templates: str) -> str:
    """Return CSP sources for the style elements of these templates, rendered without data."""
    pages = (render_to_string(name) for name in templates)
    styles = (style for page in pages for style in _STYLE.findall(page))
    digests = (sha256(style.encode()).digest() for style in styles)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
