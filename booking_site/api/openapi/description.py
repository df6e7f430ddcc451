"""Settings of drf-spectacular: the API's description, and how its pages are served."""

from booking_site.api.openapi.values import ID

_DESCRIPTION = """\
Movies, showtimes, accounts and seat bookings that never sell a seat twice.

**Errors** are problem documents (RFC 9457). Branch on `code`, and show `message` to the customer.

**Languages.** Messages, e-mails and tickets are in English, German, French or Spanish:
`Accept-Language` chooses. Codes and names of fields do not depend on it.

**New values.** Within a version, fields, problem codes and values of enums may be added to
responses. Clients must accept those that they do not know: handle an unknown code by its status,
treat an unknown seat state as not available, and any other unknown value as text.

**Values.** Ids are integers up to 2⁵³-1. Amounts are decimal strings beside their currency. Times
are RFC 3339 in UTC.

**Lists** are arrays. `page` and `page_size` select a page; the headers `Link` and `X-Total-Count`
lead to the others.

**Reads** have an `ETag`: send it in `If-None-Match` to get 304 while nothing has changed. Without a
token, a list of shows or a seat map may be up to two seconds old. With a token, it is current.

**Purchases** need an `Idempotency-Key`. After a lost response or a 503, repeat the request with
the same key: nothing is booked twice.
"""

SPECTACULAR_SETTINGS = {
    "TITLE": "Movie Booking API",
    "DESCRIPTION": _DESCRIPTION,
    # Not 3.1, whose integers include 5.0: the API accepts only 5.
    "OAS_VERSION": "3.0.3",
    "VERSION": "0.1.0",
    "CONTACT": {"name": "The maintainers of the Movie Booking API"},
    "LICENSE": {"name": "MIT", "url": "https://opensource.org/license/mit"},
    "SERVERS": [{"url": "/", "description": "The site that serves this document."}],
    "TAGS": [
        {"name": "auth", "description": "Accounts: register, log in, change and remove them."},
        {"name": "movies", "description": "Movies, by title. No token is needed."},
        {"name": "theatres", "description": "Venues and their shows. No token is needed."},
        {
            "name": "shows",
            "description": "Screenings, their seat maps and layouts. No token is needed.",
        },
        {"name": "holds", "description": "Reserve seats for a few minutes, before booking them."},
        {"name": "bookings", "description": "Book seats, and list or cancel single bookings."},
        {"name": "orders", "description": "All seats of one purchase together."},
    ],
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "The `token` from login, registration, refresh or guest checkout.",
            }
        }
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "booking_site.api.openapi.headers.describe_headers",
        "booking_site.api.openapi.problems.describe_problems",
        "booking_site.api.openapi.examples.describe_examples",
        "booking_site.api.openapi.texts.describe_texts",
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api",
    "SORT_OPERATION_PARAMETERS": lambda each: (not each.get("required"), each["name"]),
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,  # they only repeat the values
    "ENUM_NAME_OVERRIDES": {
        "ShowStatus": ["open", "cancelled"],
        "SeatStatus": ["available", "booked"],
        "SeatState": ["available", "held", "booked", "blocked"],
        "SeatCategory": "catalog.models.SeatCategory",
        "GapRule": ["off", "middle_only"],
        "CustomerLanguage": "booking_site.languages.LANGUAGES",
        "BookingStatus": "bookings.models.BookingStatus",
        "NewOrderStatus": ["confirmed"],
        "OrderChannel": "bookings.models.Channel",
        "OrderStatus": "bookings.models.OrderStatus",
    },
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,
    "PATH_CONVERTER_OVERRIDES": {"bigint": ID},
}
