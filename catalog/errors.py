"""Errors that the catalogue shares with the apps that sell its seats."""

from http import HTTPStatus

from django.utils.translation import gettext_lazy as _

from booking_site.api.errors import DomainError


class ShowNotFound(DomainError):
    """No published show has this id."""

    code = "show_not_found"
    status = HTTPStatus.NOT_FOUND
    message = _("There is no such show.")
