"""Rewrites stored addresses of walk-in customers in their canonical spelling.

Such rows come from earlier releases and from plain SQL.
"""

from collections.abc import Iterator

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower

from booking_site.email_address import canonical_email

# Every canonical address is in lower case and in ASCII.
NOT_CANONICAL = models.Q(channel="box_office") & (
    ~models.Q(customer_email=Lower("customer_email"))
    | models.Q(customer_email__regex=r"[^\x01-\x7f]")
)


def canonicalize_customer_emails(
    orders: "models.QuerySet[models.Model]", *, dry_run: bool = False
) -> Iterator[str]:
    """Rewrite the addresses and yield a line for each order. A dry run only yields the lines.

    An invalid address remains unchanged: staff have to correct it.
    """
    rows = (
        orders.filter(NOT_CANONICAL).order_by("pk").values_list("pk", "reference", "customer_email")
    )
    for number, reference, email in rows:
        try:
            address = canonical_email(email)
        except ValidationError:
            yield f"order {reference}: the e-mail address is invalid"
            continue
        if not dry_run:
            orders.filter(pk=number, customer_email=email).update(customer_email=address)
        yield f"order {reference}: rewritten"
