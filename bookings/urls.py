"""Addresses under /api/."""

from django.urls import path, register_converter
from rest_framework.routers import SimpleRouter

from bookings.live.views import SEAT_EVENTS
from bookings.views.bookings import BookingViewSet
from bookings.views.holds import HoldViewSet
from bookings.views.orders import OrderViewSet
from bookings.views.seats import LayoutViewSet, SeatMapViewSet


class ReferenceConverter:
    """An order's reference in any case, with or without its hyphen."""

    regex = "[A-Za-z0-9]{4}-?[A-Za-z0-9]{4}"

    def to_python(self, value: str) -> str:
        letters = value.upper().replace("-", "")
        return f"{letters[:4]}-{letters[4:]}"

    def to_url(self, value: str) -> str:
        return value


register_converter(ReferenceConverter, "reference")

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("bookings", BookingViewSet, basename="booking")
router.register("orders", OrderViewSet, basename="order")
router.register("holds", HoldViewSet, basename="hold")

urlpatterns = [
    path("shows/<bigint:show_id>/layout", LayoutViewSet.as_view({"get": "retrieve"})),
    path("shows/<bigint:show_id>/seats", SeatMapViewSet.as_view({"get": "list"})),
    SEAT_EVENTS,
    *router.urls,
]
