"""Lists for django-cors-headers: origins of developers, headers of requests and of responses."""

from corsheaders.defaults import default_headers

# Vite serves a client at 5173, and the preview of its build at 4173.
DEVELOPMENT_ORIGINS = [
    f"http://{host}:{port}" for host in ("localhost", "127.0.0.1") for port in (5173, 4173)
]
ALLOWED_HEADERS = [
    *default_headers,
    "baggage",
    "cache-control",
    "idempotency-key",
    "if-none-match",
    "last-event-id",
    "prefer",
    "sentry-trace",
    "traceparent",
    "tracestate",
    "x-request-id",
]
EXPOSED_HEADERS = [
    "Date",
    "ETag",
    "Idempotency-Replayed",
    "Layout-Fingerprint",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
    "X-Total-Count",
]
