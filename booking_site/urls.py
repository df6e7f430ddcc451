"""The root URL configuration."""

from django.contrib import admin
from django.urls import include, path

from accounts import own_password, second_factor
from booking_site.api.openapi.views import DocsView, SchemaView
from booking_site.back_office import menu_search
from booking_site.http import views
from demo.accounts import DEMO_ACCOUNTS
from reports import report_page

CUSTOMER, *_ = DEMO_ACCOUNTS
DEMO_LOGIN = {"email": CUSTOMER.email, "password": CUSTOMER.password}

urlpatterns = [
    # Patterns are tried in this order, so the most frequent ones come first.
    path("api/", include("bookings.urls")),
    path("api/", include("catalog.urls")),
    path("api/", include("accounts.urls")),
    path("", views.root, name="root"),
    path("admin/second-factor/", admin.site.admin_view(second_factor.page), name="second-factor"),
    path("admin/box-office/", include("bookings.box_office.views")),
    path("admin/clock-changes/", include("bookings.show_changes.clock_page")),
    path("admin/reports/", admin.site.admin_view(report_page.page), name="reports"),
    path("admin/search/", admin.site.admin_view(menu_search.page)),
    # Before admin.site.urls, whose page it replaces.
    path("admin/password_change/", admin.site.admin_view(own_password.page)),
    path("admin/", admin.site.urls),
    path("api", views.api_root),
    path("api/schema", SchemaView.as_view(), name="schema"),
    path("api/docs", DocsView.as_view(demo_login=DEMO_LOGIN), name="docs"),
    path("api/docs/errors", views.error_catalogue, name="error-catalogue"),
]

handler400 = views.bad_request
handler403 = views.permission_denied
handler404 = views.not_found
handler500 = views.server_error
