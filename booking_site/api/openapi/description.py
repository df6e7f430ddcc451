"""Settings of drf-spectacular: the API's description, and how its pages are served."""

from booking_site.api.converters import MAX_ID

SPECTACULAR_SETTINGS = {
    "TITLE": "Movie Booking API",
    "DESCRIPTION": "Movies, showtimes, accounts and seat bookings that never sell a seat twice.",
    # Not 3.1, whose integers include 5.0: the API accepts only 5.
    "OAS_VERSION": "3.0.3",
    "VERSION": "0.1.0",
    "LICENSE": {"name": "MIT", "url": "https://opensource.org/license/mit"},
    "SERVERS": [{"url": "/", "description": "The site that serves this document."}],
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api",
    "ENUM_NAME_OVERRIDES": {
        "ShowStatus": ["open", "cancelled"],
        "SeatStatus": ["available", "booked"],
        "SeatState": ["available", "held", "booked", "blocked"],
        "SeatCategory": "catalog.models.SeatCategory",
        "BookingStatus": "bookings.models.BookingStatus",
        "OrderStatus": "bookings.models.OrderStatus",
    },
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,
    "PATH_CONVERTER_OVERRIDES": {
        "bigint": {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_ID},
    },
}
