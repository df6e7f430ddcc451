"""What OPTIONS answers. A module of its own, as DRF's views load it while they are imported."""

from typing import TYPE_CHECKING, Any

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView


class AllowedMethods(BaseMetadata):
    """The Allow header that every answer has, and nothing else."""

    def determine_metadata(self, request: Request, view: "APIView") -> dict[str, Any]:
        return {}
