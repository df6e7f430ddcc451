"""What a browser may do with our answers: Content-Security-Policy and its siblings.

Django's SecurityMiddleware adds HSTS, nosniff, Referrer-Policy and
Cross-Origin-Opener-Policy; X-Frame-Options comes from its own middleware.
"""

import base64
import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

Handler = Callable[[HttpRequest], HttpResponse]
Policy = dict[str, str]

_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_OUR_PAGES = ("site/root.html", "site/error.html", "site/problems.html")
# Of the page of drf-spectacular, beside the style sheet of Swagger UI.
_DOCS_PAGE = "drf_spectacular/swagger_ui.html"

NOTHING: Policy = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
# The theme's Alpine evaluates the expressions of its attributes, and sets styles
# by attribute; scripts written into a page stay forbidden.
ADMIN: Policy = NOTHING | {
    "script-src": "'self' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
}
# No page of ours uses what a device could tell about its owner.
PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in ("camera", "geolocation", "microphone", "payment", "usb", "browsing-topics")
)


def security_headers(get_response: Handler) -> Handler:
    """Allow a browser no more than the kind of answer needs."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        headers = response.headers
        # What is said with a 304 would replace what was said with the page.
        if response.status_code != HTTPStatus.NOT_MODIFIED:
            is_page = headers.get("Content-Type", "").startswith("text/html")
            policy = _policy_of(request) if is_page else NO_PAGE
            headers["Content-Security-Policy"] = policy
        headers["Permissions-Policy"] = PERMISSIONS
        # Other sites' pages cannot embed an answer; those of CORS_ALLOWED_ORIGINS fetch it.
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    return middleware


def _policy_of(request: HttpRequest) -> str:
    if request.path_info.startswith("/admin/"):
        return ADMIN_PAGES
    return _docs() if request.path_info == "/api/docs" else _pages()


def _written(policy: Policy) -> str:
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


NO_PAGE = _written(NOTHING)
ADMIN_PAGES = _written(ADMIN)


@lru_cache
def _pages() -> str:
    return _written(NOTHING | {"style-src": _style_hashes(*_OUR_PAGES)})


@lru_cache
def _docs() -> str:
    return _written(
        NOTHING
        | {
            "script-src": "'self'",
            "style-src": f"'self' {_style_hashes(_DOCS_PAGE)}",
            "img-src": "'self' data:",
            "connect-src": "'self'",
        }
    )


def _style_hashes(*templates: str) -> str:
    """Return sources for the style elements of these pages, as they are without any data."""
    # The address of a script, as the page of the docs has one of its own.
    pages = (render_to_string(name, {"script_url": "#"}) for name in templates)
    styles = (style for page in pages for style in _STYLE.findall(page))
    digests = (sha256(style.encode()).digest() for style in styles)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
