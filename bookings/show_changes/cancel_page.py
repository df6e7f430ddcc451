"""The page that cancels a show, and then shows the progress of its orders."""

from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from booking_site.api.errors import DomainError
from booking_site.typed_text import LineFormField
from bookings.show_changes.cancelling import (
    cancel_orders,
    cancel_show,
    cancellation_of,
    live_purchases,
    purchases,
)
from catalog.admin.base import BackOffice, local
from catalog.admin.shows.pages import ShowPage, show_context, show_for
from catalog.models import Show, ShowStatus

MAY_CANCEL = "catalog.cancel_show"


class CancelForm(forms.Form):
    reason = LineFormField(
        max_length=200,
        widget=UnfoldAdminTextInputWidget({"placeholder": "e.g. projector broken"}),
        help_text="Shown with every order and in the history of the show. Customers don't see it.",
    )
    orders = forms.IntegerField(
        label="Number of orders to cancel",
        min_value=0,
        widget=UnfoldAdminIntegerFieldWidget({"autocomplete": "off"}),
        help_text="Enter the number to confirm. This can't be undone.",
    )


def cancel_page(
    request: HttpRequest, show_id: int, *, show_admin: BackOffice[Show]
) -> HttpResponse:
    """Show the form and cancel the show; for a cancelled show, show the progress."""
    show = show_for(request, show_admin, show_id, MAY_CANCEL)
    context = show_context(request, show_admin, show, title="Cancel show")
    if show.status == ShowStatus.CANCELLED:
        return _progress(request, show, context)
    form = CancelForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            cancel_show(
                show_id=show.pk,
                actor=request.user,  # type: ignore[arg-type] # the site admits no anonymous user
                **form.cleaned_data,
            )
        except DomainError as refusal:
            form.add_error("orders" if refusal.code == "orders_changed" else None, refusal.message)
        else:
            messages.success(request, "Show cancelled. Its orders are being cancelled.")
            return HttpResponseRedirect(reverse("admin:catalog_show_cancel", args=[show.pk]))
    context |= {"form": form, "orders": live_purchases(show.pk)}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    return TemplateResponse(request, "bookings/admin/cancel_show.html", context, status=status)


def _progress(request: HttpRequest, show: Show, context: dict[str, Any]) -> HttpResponse:
    """List the status of every order; a POST enqueues the task again, which is safe."""
    if request.method == "POST":
        with transaction.atomic(durable=True):
            cancel_orders.enqueue(show_id=show.pk)
        messages.success(request, "Cancellation restarted.")
        return HttpResponseRedirect(reverse("admin:catalog_show_cancel", args=[show.pk]))
    entry = cancellation_of(show.pk)
    affected = purchases(show.pk)
    context |= {
        "entry": entry,
        "cancelled": local(entry.at, show.theatre.zone) if entry else "",
        "purchases": affected,
        "done": sum(not purchase.left for purchase in affected),
    }
    return TemplateResponse(request, "bookings/admin/cancelled_show.html", context)


CANCEL_PAGE = ShowPage("cancel", "Cancel show", "event_busy", MAY_CANCEL, cancel_page)
