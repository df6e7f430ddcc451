"""What the catalogue and those who sell from it say alike when something is not there."""

from http import HTTPStatus

from booking_site.api.errors import DomainError


class ShowNotFound(DomainError):
    """There is no such show, or not for customers."""

    code = "show_not_found"
    status = HTTPStatus.NOT_FOUND
    message = "There is no such show."
