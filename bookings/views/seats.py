"""The public seat map of a show."""

from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from accounts.authentication import Caller, OptionalBearerAuthentication
from accounts.throttling import ReadThrottle
from booking_site.api.openapi.schema import operation
from bookings.seat_map import seat_map, unavailable_seats
from bookings.serializers import SeatSerializer, UnavailableSeatSerializer
from catalog.errors import ShowNotFound

FIELDS = OpenApiParameter(
    "fields",
    enum=["status"],
    description="`status`: only the seats that you can't book, each with `id`, `status` and"
    " `state`. For clients that poll: seats that are missing from the list are available.",
)


class SeatMapViewSet(ViewSet):
    authentication_classes = (OptionalBearerAuthentication,)
    permission_classes = (AllowAny,)
    throttle_classes = (ReadThrottle,)
    pagination_class = None

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
        fields = request.query_params.get("fields", "")
        if fields not in ("", "status"):
            raise ValidationError({"fields": [_("The only possible value is “status”.")]})
        read = unavailable_seats if fields else seat_map
        body, etag = read(show_id=show_id, caller=caller)
        return HttpResponse(body, "application/json", headers={"ETag": etag})
