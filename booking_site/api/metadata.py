"""The response to OPTIONS. It has its own module because DRF's views import it as they load."""

from typing import TYPE_CHECKING, Any

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView


class AllowedMethods(BaseMetadata):
    """Adds nothing to the Allow header, which every response has."""

    def determine_metadata(self, request: Request, view: "APIView") -> dict[str, Any]:
        return {}
