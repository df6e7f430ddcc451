"""The public seat map of a show, and its layout."""

from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts.authentication import Caller, OptionalBearerAuthentication
from accounts.throttling import ReadThrottle
from booking_site.api.openapi.schema import operation
from booking_site.postgres.replica import read_from_replica, read_without_primary
from bookings.layout_serializers import LayoutSerializer
from bookings.room_layout import room_layout
from bookings.seat_map import seat_map, unavailable_seats
from bookings.serializers import SeatSerializer, UnavailableSeatSerializer
from catalog.errors import ShowNotFound

FIELDS = OpenApiParameter(
    "fields",
    enum=["status"],
    description="`status`: only the seats that the caller can't book, each with `id`, `status` and"
    " `state`. For clients that poll: seats that are not listed are available.",
)
VERSION = OpenApiParameter(
    "v",
    description="The fingerprint of the layout. While it is current, the response may be cached for"
    " a year.",
)
ONE_YEAR = 365 * 24 * 60 * 60


class _PublicViewSet(ViewSet):
    permission_classes = (AllowAny,)
    throttle_classes = (ReadThrottle,)
    pagination_class = None


class SeatMapViewSet(_PublicViewSet):
    authentication_classes = (OptionalBearerAuthentication,)

    @operation(
        "show_seats_list",
        summary="Read the seat map of a show",
        parameters=[FIELDS],
        responses=PolymorphicProxySerializer(
            component_name="SeatOfMap",
            serializers=[SeatSerializer, UnavailableSeatSerializer],
            resource_type_field_name=None,
            many=True,
        ),
        problems=[ShowNotFound, "validation_failed"],
    )
    def list(self, request: Request, show_id: int) -> HttpResponse:
        caller = request.user if isinstance(request.user, Caller) else None
        # Most reads have no query, and parsing even an empty one takes time.
        fields = request.META["QUERY_STRING"] and request.query_params.get("fields", "")
        if fields not in ("", "status"):
            raise ValidationError({"fields": [_("The only possible value is “status”.")]})
        read = unavailable_seats if fields else seat_map
        body, etag, layout = read_from_replica(
            request, lambda using: read(show_id=show_id, caller=caller, using=using)
        )
        headers = {"ETag": etag, "Layout-Fingerprint": layout}
        return HttpResponse(body, "application/json", headers=headers)


class LayoutViewSet(_PublicViewSet):
    authentication_classes = ()  # the response is the same for everyone

    @operation(
        "show_layout_read",
        summary="Read the layout of a show's seats",
        parameters=[VERSION],
        responses=LayoutSerializer,
        problems=[ShowNotFound],
    )
    def retrieve(self, request: Request, show_id: int) -> Response:
        layout = read_without_primary(
            request, lambda using: room_layout(show_id=show_id, using=using)
        )
        response = Response(layout)
        if request.query_params.get("v") == layout["fingerprint"]:
            response["Cache-Control"] = f"public, max-age={ONE_YEAR}, immutable"
        return response
