"""Admin pages that write every change to the audit trail and show it as the object's history."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.forms import BoundField, ModelChoiceField
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import Truncator
from django.utils.timezone import get_default_timezone

from accounts import audit
from accounts.models import AuditEntry, User
from booking_site.back_office.autocompletion import OneRow, Rows
from booking_site.back_office.name_order import NameOrder
from booking_site.local_time import clock

ENTRIES_PER_PAGE = 50
LONGEST_VALUE = 300


class HistoryEvent(NamedTuple):
    """What a customer did to an order, for the history page."""

    label: str
    at: datetime
    actor: User | None
    seats: str


def staff_user(request: HttpRequest) -> User:
    """Return the logged-in member of staff; the admin lets nobody else through."""
    assert isinstance(request.user, User)  # noqa: S101 - for the type checker
    return request.user


class Audited(admin.ModelAdmin):  # type: ignore[type-arg] # not generic at run time
    """Write to the audit trail, in the same transaction, what Django would write to its log."""

    # Recorded without their values, because an entry outlives the person it is about.
    personal_fields: Collection[str] = ()
    empty_history_text = "Nothing has been recorded yet."
    # Parameters that the list accepts besides those of its filters.
    linked_filters: Collection[str] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NameOrder]:
        return NameOrder

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs["widget"] = OneRow(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs["widget"] = Rows(db_field, self.admin_site)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def theatre_id_of(self, obj: Any) -> int | None:
        """Return the id of the object's theatre, or None if it belongs to no single theatre."""
        return None

    def zone_of(self, obj: Any) -> tzinfo:
        """Return the time zone of the history page."""
        return get_default_timezone()

    def entries_about(self, obj: Any) -> QuerySet[AuditEntry]:
        """Return the entries of the history page, newest first."""
        return audit.history_of(obj)

    def derived_events(self, obj: Any) -> list[HistoryEvent]:
        """Return events that follow from the object's rows and have no entry, newest first."""
        return []

    def line_name(self, line: Any) -> str:
        """Return the name of an inline row in the list of changes."""
        return str(line)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Return old and new value by field, the message of `log_addition` and `log_change`."""
        changes = dict(_changes(form, self.personal_fields))
        for formset in formsets or ():
            for line in formset.forms:
                if line.has_changed() and line.instance not in formset.deleted_objects:
                    changes |= {
                        f"{self.line_name(line.instance)}, {field}": change
                        for field, change in _changes(line, self.personal_fields)
                    }
            changes |= {self.line_name(row): [str(row), ""] for row in formset.deleted_objects}
        return changes

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        new = {name: change[1:] for name, change in message.items()}
        return self._record(request, "added", obj, changes=new)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return self._record(request, "changed", obj, changes=message) if message else None

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        return [self._record(request, "deleted", obj) for obj in queryset]

    def _record(self, request: HttpRequest, action: str, obj: Any, **facts: Any) -> AuditEntry:
        theatre_id = self.theatre_id_of(obj)
        return audit.record(
            actor=staff_user(request), action=action, subject=obj, theatre_id=theatre_id, **facts
        )

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *location: Any
    ) -> HttpResponse | None:
        """Refuse ids that no row can have; Django would fail on them."""
        for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.to_python(chosen)
            except ValidationError as error:
                raise BadRequest from error
        return super().response_action(request, queryset, *location)

    def page_context(self, request: HttpRequest, *, title: str) -> dict[str, Any]:
        """Return the template context that all pages of the model need."""
        return self.admin_site.each_context(request) | {"opts": self.opts, "title": title}

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        page = Paginator(self.entries_about(obj), ENTRIES_PER_PAGE).get_page(
            request.GET.get("page")
        )
        zone = self.zone_of(obj)
        events = [] if page.has_next() else self.derived_events(obj)

        def at(event: AuditEntry | HistoryEvent) -> str:
            return clock(event.at, zone, "%a %d %b %Y, %H:%M")

        context = self.page_context(request, title=f"History of {obj}") | {
            "object": obj,
            "original": obj,
            "page": page,
            "entries": [(entry, at(entry), audit.sentences(entry)) for entry in page],
            "derived_events": [(event, at(event)) for event in events],
            "empty_history_text": self.empty_history_text,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/accounts/history.html", context)


def _changes(form: Any, personal: Collection[str]) -> Iterator[tuple[str, Any]]:
    for name in form.changed_data:
        if name in personal or name.startswith("password"):
            yield name, []
            continue
        before, after = _plain(_before(form[name])), _plain(form.cleaned_data.get(name))
        if before != after:  # Django reports a list typed as text as always changed
            yield name, [Truncator(text).chars(LONGEST_VALUE) for text in (before, after)]


def _before(field: BoundField) -> Any:
    """Return the previous value; for a foreign key the form has only the id."""
    if isinstance(field.field, ModelChoiceField) and isinstance(field.initial, int):
        rows: QuerySet[Any] = field.field.queryset.model._base_manager.all()  # type: ignore[union-attr]
        return rows.filter(pk=field.initial).first()
    return field.initial


def _plain(value: Any) -> str:
    """Return a value as text; a user only as a number, as entries outlive the person."""
    match value:
        case None:
            return ""
        case User():
            return f"user {value.pk}"
        case datetime():
            return clock(value, value.tzinfo or UTC, "%Y-%m-%d %H:%M")
        case list() | set() | QuerySet():
            return ", ".join(map(_plain, value))
    return str(value)
