"""OpenAPI schemas of values that many operations have."""

from typing import Any

from booking_site.api.converters import MAX_ID

Schema = dict[str, Any]

ID: Schema = {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_ID}
COUNT: Schema = {"type": "integer", "format": "int32", "minimum": 0, "maximum": 2**31 - 1}
AMOUNT: Schema = {
    "type": "string",
    "pattern": r"^[0-9]{1,8}(\.[0-9]{1,3})?$",
    "description": 'With the digits of its currency: `"15.00"` USD, `"1500"` JPY.',
    "example": "15.00",
}


def ids(description: str) -> Schema:
    """Return the schema of a list of ids."""
    return {"type": "array", "description": description, "items": ID, "maxItems": 500}
