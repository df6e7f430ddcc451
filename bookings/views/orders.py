"""Views of the caller's orders."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import ActiveUserForReads, caller_of
from booking_site.api.openapi.schema import operation
from booking_site.api.parsing import EmptySerializer, parse_body
from bookings import services
from bookings.filters import OrderFilter
from bookings.models import Order
from bookings.serializers import OrderDetailSerializer
from bookings.services.cancelling import CancellationClosed, OrderNotFound


class OrderViewSet(ListModelMixin, GenericViewSet[Order]):
    queryset = Order.objects.none()  # for the API schema only
    permission_classes = (ActiveUserForReads,)
    serializer_class = OrderDetailSerializer
    filterset_class = OrderFilter
    lookup_field = "reference"
    lookup_value_converter = "reference"

    def get_queryset(self) -> QuerySet[Order]:
        return Order.objects.filter(user_id=caller_of(self.request).id).with_bookings_json()

    @operation("orders_list", summary="List my orders, newest first")
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @operation("orders_read", summary="Read one of my orders", problems=[OrderNotFound])
    def retrieve(self, request: Request, reference: str) -> Response:
        order = self.get_queryset().filter(reference=reference).first()
        if order is None:
            raise OrderNotFound
        return Response(self.get_serializer(order).data)

    @operation(
        "orders_cancel",
        summary="Cancel all remaining bookings of an order",
        request=EmptySerializer,
        responses=OrderDetailSerializer,
        problems=[OrderNotFound, CancellationClosed],
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, reference: str) -> Response:
        parse_body(EmptySerializer, request)
        services.cancel_order(caller=caller_of(request), reference=reference)
        return Response(self.get_serializer(self.get_queryset().get(reference=reference)).data)
