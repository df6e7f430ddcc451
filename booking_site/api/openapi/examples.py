"""Adds examples to the schema: requests that work with the demo data, and their responses.

`tests/demo/test_examples.py` sends them to a new demo. The ids are those of its first movie and
theatre, and of a show a week ahead with its first seats. Holds, bookings, tokens and links exist
only after other requests, so their values are placeholders.
"""

import json
from pathlib import Path
from typing import Any

from booking_site.api.openapi.problems import operations

SHOW, SEATS = 316, [55168, 55169]
PASSWORD = "popcorn-at-eight"  # noqa: S105 - published
TOKEN = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"  # noqa: S105 - not a real token
LINK = {"uid": "1", "token": "d7x2ka-3f2b6c1e"}

PARAMETERS: dict[str, dict[str, str | int]] = {
    "/api/movies/{id}": {"id": 1},
    "/api/movies/{movie_id}/shows": {"movie_id": 1},
    "/api/theatres/{id}": {"id": 1},
    "/api/theatres/{theatre_id}/shows": {"theatre_id": 1},
    "/api/shows/{id}": {"id": SHOW},
    "/api/shows/{show_id}/seats": {"show_id": SHOW},
    "/api/shows/{show_id}/seats/events": {"show_id": SHOW},
    "/api/shows/{show_id}/layout": {"show_id": SHOW},
    "/api/bookings": {"Idempotency-Key": "f5a1c0de-7c1b-4b8e-9a51-2d3c9f6e8b70"},
    "/api/bookings/{id}": {"id": 1},
    "/api/bookings/{id}/cancel": {"id": 1},
    "/api/orders/{reference}": {"reference": "K7Q4-9XWD"},
    "/api/orders/{reference}/cancel": {"reference": "K7Q4-9XWD"},
    "/api/holds/{id}": {"id": "0d9f8f0e-5f0a-4c55-8a0e-6b1f5a8d2c11"},
    "/api/holds/{id}/extend": {"id": "0d9f8f0e-5f0a-4c55-8a0e-6b1f5a8d2c11"},
}
BODIES: dict[str, dict[str, Any]] = {
    "auth_register": {"name": "Nora Lind", "email": "nora@example.com", "password": PASSWORD},
    "auth_guest": {"name": "Nora Lind", "email": "nora@example.com"},
    "auth_guest_claim": LINK,
    "auth_login": {"email": "customer@example.com", "password": PASSWORD},
    "auth_refresh": {"refresh": TOKEN},
    "auth_logout": {"refresh": TOKEN},
    "auth_me_update": {"name": "Carla Customer"},
    "auth_me_delete": {"password": PASSWORD},
    "auth_password_change": {"current_password": PASSWORD, "new_password": "popcorn-at-nine"},
    "auth_password_reset": {"email": "customer@example.com"},
    "auth_password_reset_confirm": {
        "uid": LINK["uid"],
        "reset_token": LINK["token"],
        "new_password": "popcorn-at-ten",
    },
    "auth_email_confirm": LINK,
    "auth_email_resend": {},
    "holds_create": {"show_id": SHOW, "quantity": 2},
    "holds_extend": {},
    "bookings_create": {"show_id": SHOW, "seat_ids": SEATS},
    "bookings_cancel": {},
    "orders_cancel": {},
}
# By operation id and status; recorded by the test.
RESPONSES_FILE = Path(__file__).with_name("examples.json")


def describe_examples(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the examples to all operations (a hook of drf-spectacular)."""
    responses = json.loads(RESPONSES_FILE.read_text(encoding="utf-8"))
    for path, methods in result["paths"].items():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in PARAMETERS.get(path, {}):
                    parameter["example"] = PARAMETERS[path][parameter["name"]]
    for operation in operations(result):
        name = operation["operationId"]
        if name in BODIES:
            operation["requestBody"]["content"]["application/json"]["example"] = BODIES[name]
        for status, example in responses.get(name, {}).items():
            operation["responses"][status]["content"]["application/json"]["example"] = example
    return result
