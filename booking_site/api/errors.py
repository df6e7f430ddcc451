"""The base class of the errors by which a business rule refuses a request."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from booking_site.languages import Sentence


class DomainError(Exception):
    """A business rule refuses the request. The message is written for the customer.

    Subclasses live beside the function that raises them and name their own code and status, and
    their message and `retry_after` if these are always the same. `facts` are JSON-ready extra
    members of the problem document, e.g. `seat_ids=[4, 5]`; `members` has their OpenAPI schemas by
    name. `retry_after` (seconds) also becomes the header of that name.
    """

    code: ClassVar[str]  # stable, snake_case: clients branch on this, never on text
    status: ClassVar[HTTPStatus] = HTTPStatus.CONFLICT
    members: ClassVar[Mapping[str, Any]] = {}

    message: Sentence
    retry_after: int | None = None

    def __init__(
        self, message: Sentence | None = None, *, retry_after: int | None = None, **facts: Any
    ) -> None:
        if message is not None:
            self.message = message
        if retry_after is not None:
            self.retry_after = retry_after
        super().__init__(self.message)
        self.facts = facts


def violated_constraint(error: Exception) -> str | None:
    """Return the name of the constraint that an IntegrityError is about."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None)
