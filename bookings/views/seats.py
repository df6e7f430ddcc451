"""The public seat map of a show."""

from django.http import HttpResponse
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from accounts.authentication import Caller, OptionalBearerAuthentication
from accounts.throttling import ReadThrottle
from booking_site.api.openapi.schema import operation
from bookings.seat_map import seat_map
from bookings.serializers import SeatSerializer
from catalog.errors import ShowNotFound


class SeatMapViewSet(ViewSet):
    authentication_classes = (OptionalBearerAuthentication,)
    permission_classes = (AllowAny,)
    throttle_classes = (ReadThrottle,)
    pagination_class = None

    @operation(
        "show_seats_list",
        summary="Read the seat map of a show",
        responses=SeatSerializer(many=True),
        problems=[ShowNotFound],
    )
    def list(self, request: Request, show_id: int) -> HttpResponse:
        caller = request.user if isinstance(request.user, Caller) else None
        body, etag = seat_map(show_id=show_id, caller=caller)
        return HttpResponse(body, "application/json", headers={"ETag": etag})
