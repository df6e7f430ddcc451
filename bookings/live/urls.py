"""The only address that the live process serves, besides the health checks and metrics."""

from django.urls import include, path

from booking_site.http import views as pages
from bookings.live.views import SEAT_EVENTS

urlpatterns = [path("api/", include([SEAT_EVENTS]))]

handler400 = pages.bad_request
handler403 = pages.permission_denied
handler404 = pages.not_found
handler500 = pages.server_error
