"""The theme of the back office, and its sidebar."""

from collections.abc import Callable

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(permission)


# Their addresses are below that of the list of shows, but they belong to the week's menu item.
PLANNING = {"week", "plan", "copy-week"}


def _is_unsent(request: HttpRequest) -> bool:
    """The list of orders with this filter has its own menu item."""
    return request.GET.get("confirmation") == "unsent"


def _is_current(model: str, page: str) -> Callable[[HttpRequest], bool]:
    def is_current(request: HttpRequest) -> bool:
        parent = reverse(f"admin:{model}_changelist")
        below = request.path.removeprefix(parent).partition("/")[0]
        return (
            request.path.startswith(parent)
            and (below in PLANNING) == bool(page)
            and not _is_unsent(request)
        )

    return is_current


def _group(title: str, *items: dict[str, object]) -> dict[str, object]:
    return {"title": title, "separator": True, "items": [*items]}


def _page(title: str, icon: str, model: str, page: str = "", **item: object) -> dict[str, object]:
    """Return the menu item of a model's list, or of a page below it."""
    app, _, name = model.rpartition("_")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model}_{page or 'changelist'}"),
        "permission": _may(f"{app}.view_{name}"),
        "active": _is_current(model, page),
    } | item


UNFOLD = {
    "SITE_TITLE": "Movie Booking",
    "SITE_HEADER": "Movie Booking",
    "SITE_SUBHEADER": "Back office",
    "SITE_SYMBOL": "theaters",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("back_office/icon.svg")},
    ],
    "LOGIN": {"form": "accounts.login_form.LoginForm"},
    "STYLES": [
        lambda _: static("back_office/office.css"),
        lambda _: static("back_office/seats.css"),
        lambda _: static("back_office/figures.css"),
    ],
    "DASHBOARD_CALLBACK": "reports.dashboard_page.context",
    "SCRIPTS": [lambda _: static("back_office/access.js")],
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 20)",
            "100": "oklch(94% .032 20)",
            "200": "oklch(88% .062 20)",
            "300": "oklch(81% .105 20)",
            "400": "oklch(71% .165 20)",
            "500": "oklch(69% .175 20)",
            "600": "oklch(53% .2 20)",
            "700": "oklch(47% .175 20)",
            "800": "oklch(41% .145 20)",
            "900": "oklch(36% .115 20)",
            "950": "oklch(25% .08 20)",
        },
    },
    "ACCOUNT": {
        "navigation": [
            {"title": "Two-factor authentication", "link": reverse_lazy("second-factor")}
        ],
    },
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {
                "title": "Counter",
                "items": [
                    {
                        "title": "Box office",
                        "icon": "point_of_sale",
                        "link": reverse_lazy("box-office"),
                        "permission": _may("bookings.sell_order"),
                    }
                ],
            },
            _group(
                "Programme",
                _page("Week", "calendar_view_week", "catalog_show", "week"),
                _page("Shows", "calendar_month", "catalog_show"),
                _page("Movies", "movie", "catalog_movie"),
            ),
            _group(
                "Venues",
                _page("Theatres", "location_city", "catalog_theatre"),
                _page("Screens", "view_comfy", "catalog_screen"),
                _page("Price cards", "sell", "catalog_pricecard"),
                _page("Seats", "event_seat", "catalog_seat"),
            ),
            _group(
                "Sales",
                _page("Orders", "receipt_long", "bookings_order"),
                _page("Bookings", "confirmation_number", "bookings_booking"),
                _page("Holds", "hourglass_top", "bookings_hold"),
            ),
            _group(
                "Figures",
                {
                    "title": "Reports",
                    "icon": "bar_chart",
                    "link": reverse_lazy("reports"),
                    "permission": _may("reports.view_reports"),
                },
            ),
            _group(
                "Users and access",
                _page("Users", "group", "accounts_user"),
                _page("Roles", "badge", "auth_group"),
                _page("Sign-ins", "devices", "accounts_signin"),
                _page("Failed logins", "gpp_bad", "axes_accessattempt"),
                _page("Second factors", "phonelink_lock", "otp_totp_totpdevice"),
                _page("Audit trail", "history", "accounts_auditentry"),
            ),
            _group(
                "Operations",
                _page("Tasks", "outgoing_mail", "django_tasks_database_dbtaskresult"),
                _page(
                    "Unsent confirmations",
                    "mark_email_unread",
                    "django_tasks_database_dbtaskresult",
                    link=reverse_lazy(
                        "admin:bookings_order_changelist", query={"confirmation": "unsent"}
                    ),
                    active=_is_unsent,
                ),
                {
                    "title": "Changed time zones",
                    "icon": "update",
                    "link": reverse_lazy("clock-changes"),
                    "permission": _may("catalog.change_show"),
                },
            ),
        ],
    },
}
