"""Views that book seats, and list, read and cancel the caller's bookings."""

import json
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import ActiveUserForReads, caller_of
from accounts.services import EmailUnconfirmed
from accounts.throttling import AddressThrottle, ScopedThrottle
from booking_site.api.idempotency_keys import KEY_PATTERN, KeyInvalid, KeyMissing, read_key
from booking_site.api.openapi.schema import operation
from booking_site.api.parsing import EmptySerializer, parse_body
from booking_site.languages import DEFAULT_LANGUAGE, requested_language
from bookings import idempotency, replays, services
from bookings.filters import BookingFilter
from bookings.idempotency import Answer
from bookings.models import Booking
from bookings.seat_choice import CompanionRequired, SingleSeatGap
from bookings.serializers import (
    BookingAnswer,
    BookingDetailSerializer,
    BookingRequest,
)
from bookings.services.cancelling import BookingNotFound, CancellationClosed
from bookings.services.sales import HoldAlreadyBooked, HoldExpired, HoldNotFound
from bookings.services.seat_locks import SeatUnavailable, TooManySeats
from catalog.errors import SalesNotOpen, ShowClosed, ShowNotFound
from catalog.seat_maps import SeatNotFound

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": KEY_PATTERN},
    OpenApiParameter.HEADER,
    required=True,
    description="A new random value for each purchase; a retry sends the same value.",
)


class BookingViewSet(ListModelMixin, GenericViewSet[Booking]):
    queryset = Booking.objects.none()  # for the API schema only
    permission_classes = (ActiveUserForReads,)
    serializer_class = BookingDetailSerializer
    filterset_class = BookingFilter
    lookup_value_converter = "bigint"
    throttle_scope = "booking"
    address_throttle_scope = "booking_address"

    def get_queryset(self) -> QuerySet[Booking]:
        return Booking.objects.filter(user_id=caller_of(self.request).id).with_details()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Call `create` without the steps of DRF that have no effect on it.

        The steps that remain: media type, token, rate limits, and errors as problem documents.
        `parse_body` reads the body, and the transaction checks that the user is active.
        """
        if request.method != "POST" or kwargs:
            return super().dispatch(request, *args, **kwargs)
        self.action, self.headers, self.format_kwarg = "create", {}, None
        self.request = Request(request, authenticators=self.get_authenticators())
        try:
            self.perform_content_negotiation(self.request)
            caller_of(self.request)
            self.check_throttles(self.request)
            return self.create(self.request)
        except Exception as error:
            return self.handle_exception(error)

    def get_throttles(self) -> list[BaseThrottle]:
        if self.action == "create":
            return [ScopedThrottle(), AddressThrottle()]
        return super().get_throttles()

    @operation(
        "bookings_create",
        summary="Book seats, or the seats of a hold",
        request=BookingRequest,
        responses={201: BookingAnswer},
        parameters=[IDEMPOTENCY_KEY],
        problems=[
            ShowNotFound,
            SeatNotFound,
            HoldNotFound,
            SeatUnavailable,
            ShowClosed,
            SalesNotOpen,
            HoldExpired,
            HoldAlreadyBooked,
            SingleSeatGap,
            TooManySeats,
            CompanionRequired,
            EmailUnconfirmed,
            KeyMissing,
            KeyInvalid,
            idempotency.KeyReused,
            idempotency.KeyInProgress,
        ],
    )
    def create(self, request: Request) -> HttpResponse:
        key = read_key(request.META.get("HTTP_IDEMPOTENCY_KEY"))
        answer = services.book(
            caller=caller_of(request),
            key=key,
            request=parse_body(BookingRequest, request),
            language=requested_language(request._request),
        )
        return AnswerResponse(answer)

    @operation("bookings_list", summary="List my bookings, newest first")
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @operation("bookings_read", summary="Read one of my bookings", problems=[BookingNotFound])
    def retrieve(self, request: Request, pk: int) -> Response:
        booking = self.get_queryset().filter(pk=pk).first()
        if booking is None:
            raise BookingNotFound
        return Response(self.get_serializer(booking).data)

    @operation(
        "bookings_cancel",
        summary="Cancel a booking and free its seat",
        request=EmptySerializer,
        responses=BookingDetailSerializer,
        problems=[BookingNotFound, CancellationClosed],
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: int) -> Response:
        parse_body(EmptySerializer, request)
        services.cancel_booking(caller=caller_of(request), booking_id=pk)
        return Response(self.get_serializer(self.get_queryset().get(pk=pk)).data)


class AnswerResponse(HttpResponse):
    """The answer to a purchase; it is copied to Redis after the client has received it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.stored.body, "application/json", answer.stored.status)
        self._answer = answer
        self._order = json.loads(answer.stored.body)["order"]
        # Records of earlier releases have no language.
        self["Content-Language"] = self._order.get("language", DEFAULT_LANGUAGE)
        if answer.replayed:
            self["Idempotency-Replayed"] = "true"

    def close(self) -> None:
        super().close()
        if not self._answer.replayed:
            show_id = self._order["show_id"]
            replays.store(self._answer.scope, self._answer.stored, show_id=show_id)
