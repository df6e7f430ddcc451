"""The theme of the back office, and its sidebar."""

from collections.abc import Callable

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy


def _may_view(model: str) -> Callable[[HttpRequest], bool]:
    app, _, name = model.rpartition("_")
    return lambda request: request.user.has_perm(f"{app}.view_{name}")


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


def _pages(title: str, *pages: tuple[str, str, str]) -> dict[str, object]:
    return {"title": title, "separator": True, "items": _items(*pages)}


def _items(*pages: tuple[str, str, str]) -> list[dict[str, object]]:
    return [
        {
            "title": name,
            "icon": icon,
            "link": reverse_lazy(f"admin:{model}_{page or 'changelist'}"),
            "permission": _may_view(model),
            "active": _is_current(model, page),
        }
        for name, icon, address in pages
        for model, _, page in [address.partition("/")]
    ]


UNFOLD = {
    "SITE_TITLE": "Movie Booking",
    "SITE_HEADER": "Movie Booking",
    "SITE_SUBHEADER": "Back office",
    "SITE_SYMBOL": "theaters",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("back_office/icon.svg")},
    ],
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
            _pages(
                "Programme",
                ("Week", "calendar_view_week", "catalog_show/week"),
                ("Shows", "calendar_month", "catalog_show"),
                ("Movies", "movie", "catalog_movie"),
            ),
            _pages(
                "Venues",
                ("Theatres", "location_city", "catalog_theatre"),
                ("Screens", "view_comfy", "catalog_screen"),
                ("Price cards", "sell", "catalog_pricecard"),
                ("Seats", "event_seat", "catalog_seat"),
            ),
            _pages(
                "Sales",
                ("Orders", "receipt_long", "bookings_order"),
                ("Bookings", "confirmation_number", "bookings_booking"),
                ("Holds", "hourglass_top", "bookings_hold"),
            ),
            {
                "title": "Figures",
                "separator": True,
                "items": [
                    {
                        "title": "Reports",
                        "icon": "bar_chart",
                        "link": reverse_lazy("reports"),
                        "permission": _may("reports.view_reports"),
                    }
                ],
            },
            _pages(
                "Users and access",
                ("Users", "group", "accounts_user"),
                ("Roles", "badge", "auth_group"),
                ("Sign-ins", "devices", "accounts_signin"),
                ("Failed logins", "gpp_bad", "axes_accessattempt"),
                ("Second factors", "phonelink_lock", "otp_totp_totpdevice"),
                ("Audit trail", "history", "accounts_auditentry"),
            ),
            {
                "title": "Operations",
                "separator": True,
                "items": [
                    *_items(("Tasks", "outgoing_mail", "django_tasks_database_dbtaskresult")),
                    {
                        "title": "Unsent confirmations",
                        "icon": "mark_email_unread",
                        "link": reverse_lazy(
                            "admin:bookings_order_changelist", query={"confirmation": "unsent"}
                        ),
                        "permission": _may_view("django_tasks_database_dbtaskresult"),
                        "active": _is_unsent,
                    },
                ],
            },
        ],
    },
}
