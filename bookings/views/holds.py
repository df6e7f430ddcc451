"""Views for holding seats for a few minutes."""

from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import ActiveUserForReads, caller_of
from accounts.services import EmailUnconfirmed
from accounts.throttling import AddressThrottle, ScopedThrottle
from booking_site.api.openapi.schema import operation
from booking_site.api.parsing import EmptySerializer, parse_body
from bookings import services
from bookings.held_seats import live_holds
from bookings.models import Hold
from bookings.seat_choice import CompanionRequired, NoSeatsTogether, SingleSeatGap
from bookings.serializers import HoldRequest, HoldSerializer
from bookings.services.holds import TooManySeatsHeld
from bookings.services.sales import HoldAlreadyBooked, HoldExpired, HoldNotFound
from bookings.services.seat_locks import SeatUnavailable, TooManySeats
from catalog.errors import SalesNotOpen, ShowClosed, ShowNotFound
from catalog.seat_maps import SeatNotFound

# One instance for all requests, as creating a serializer copies all its fields.
_HOLD = HoldSerializer()


class HoldViewSet(GenericViewSet[Hold]):
    queryset = Hold.objects.none()  # for the API schema only
    permission_classes = (ActiveUserForReads,)
    serializer_class = HoldSerializer
    throttle_scope = "hold"
    address_throttle_scope = "hold_address"
    lookup_value_converter = "uuid"

    def get_throttles(self) -> list[BaseThrottle]:
        if self.action == "create":
            return [ScopedThrottle(), AddressThrottle()]
        return super().get_throttles()

    @operation(
        "holds_create",
        summary="Hold seats of a show, or replace the seats held there",
        request=HoldRequest,
        responses={
            201: OpenApiResponse(HoldSerializer, "A new hold."),
            200: OpenApiResponse(HoldSerializer, "The hold of this show, with its new seats."),
        },
        problems=[
            ShowNotFound,
            SeatNotFound,
            SeatUnavailable,
            ShowClosed,
            SalesNotOpen,
            HoldExpired,
            NoSeatsTogether,
            SingleSeatGap,
            TooManySeats,
            TooManySeatsHeld,
            CompanionRequired,
            EmailUnconfirmed,
        ],
    )
    def create(self, request: Request) -> Response:
        body = parse_body(HoldRequest, request)
        hold = services.hold_seats if "seat_ids" in body else services.hold_best_seats
        held = hold(caller=caller_of(request), **body)
        address = reverse("hold-detail", args=[held.hold.id])
        return Response(
            _HOLD.to_representation(held),
            status=201 if held.is_new else 200,
            headers={"Location": request.build_absolute_uri(address)},
        )

    @operation("holds_list", summary="List my active holds", responses=HoldSerializer(many=True))
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(live_holds(user_id=caller_of(request).id))
        return self.get_paginated_response(HoldSerializer(page, many=True).data)

    @operation(
        "holds_read",
        summary="Read one of my active holds",
        responses=HoldSerializer,
        problems=[HoldNotFound],
    )
    def retrieve(self, request: Request, pk: UUID) -> Response:
        for held in live_holds(user_id=caller_of(request).id):
            if held.hold.id == pk:
                return Response(_HOLD.to_representation(held))
        raise HoldNotFound

    @operation(
        "holds_release",
        summary="Release a hold and free its seats",
        request=None,
        responses={204: None},
        problems=[HoldNotFound, HoldAlreadyBooked],
    )
    def destroy(self, request: Request, pk: UUID) -> Response:
        parse_body(EmptySerializer, request)
        services.release_hold(caller=caller_of(request), hold_id=pk)
        return Response(status=204)

    @operation(
        "holds_extend",
        summary="Extend a hold, up to its maximum time",
        request=EmptySerializer,
        responses=HoldSerializer,
        problems=[HoldNotFound, HoldExpired, HoldAlreadyBooked, ShowClosed, SalesNotOpen],
    )
    @action(detail=True, methods=["post"])
    def extend(self, request: Request, pk: UUID) -> Response:
        parse_body(EmptySerializer, request)
        return Response(
            HoldSerializer(services.extend_hold(caller=caller_of(request), hold_id=pk)).data
        )
