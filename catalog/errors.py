"""Errors that the catalogue shares with the apps that sell its seats."""

from http import HTTPStatus

from django.utils.translation import gettext_lazy as _

from booking_site.api.errors import DomainError


class ShowNotFound(DomainError):
    """No published show has this id."""

    code = "show_not_found"
    status = HTTPStatus.NOT_FOUND
    message = _("This show does not exist.")


class ShowClosed(DomainError):
    """The show is not on sale: it has started, is cancelled, or its sales are closed."""

    code = "show_closed"


class SalesNotOpen(DomainError):
    """Online sales for the show begin at `sales_open_at`."""

    code = "sales_not_open"
    members = {
        "sales_open_at": {
            "type": "string",
            "format": "date-time",
            "description": "Start of online sales.",
            "example": "2026-11-23T09:00:00Z",
        }
    }
