"""Pages of the back office whose every save is in the audit trail, the object's history."""

from collections.abc import Collection, Iterator
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.forms import BoundField, ModelChoiceField
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.timezone import get_default_timezone

from accounts import audit
from accounts.models import AuditEntry, User

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Any]
else:
    Base = object

ENTRIES_PER_PAGE = 50
LONGEST_VALUE = 300


class Deed(NamedTuple):
    """What a customer did, as told in a history."""

    deed: str
    at: datetime
    actor: User | None
    seats: str


def who(request: HttpRequest) -> User:
    """Return the member of staff, without whom no page of the back office is opened."""
    assert isinstance(request.user, User)  # noqa: S101 - for the type checker
    return request.user


class Audited(Base):
    """Writes to the audit trail what Django writes to its own log, in the same transaction."""

    # Of these only is said that they changed: entries outlive the person they are about.
    personal_fields: Collection[str] = ()
    nothing_told = "Nothing is recorded about it yet."

    def theatre_id_of(self, obj: Any) -> int | None:
        """Return the theatre the object belongs to; None when it belongs to no one house."""
        return None

    def zone_of(self, obj: Any) -> tzinfo:
        """Return in whose time the object's history is told."""
        return get_default_timezone()

    def entries_about(self, obj: Any) -> QuerySet[AuditEntry]:
        """Return what the object's history shows, newest first."""
        return audit.history_of(obj)

    def told_by_rows(self, obj: Any) -> list[Deed]:
        """Return the deeds that its own rows tell, so that they have no entry; oldest last."""
        return []

    def line_name(self, line: Any) -> str:
        """Return what a line of the object, edited on its page, is called among the changes."""
        return str(line)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Return what `log_addition` and `log_change` get: by field, its old and new value."""
        changes = dict(_changes(form, self.personal_fields))
        for formset in formsets or ():
            for line in formset.forms:
                if line.has_changed() and line.instance not in formset.deleted_objects:
                    changes |= {
                        f"{self.line_name(line.instance)}, {field}": change
                        for field, change in _changes(line, self.personal_fields)
                    }
            changes |= {self.line_name(gone): [str(gone), ""] for gone in formset.deleted_objects}
        return changes

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return self._record(request, "added", obj, changes=_new_values(message))

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return self._record(request, "changed", obj, changes=message) if message else None

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        return [self._record(request, "deleted", obj) for obj in queryset]

    def _record(self, request: HttpRequest, action: str, obj: Any, **facts: Any) -> AuditEntry:
        theatre_id = self.theatre_id_of(obj)
        return audit.record(
            actor=who(request), action=action, subject=obj, theatre_id=theatre_id, **facts
        )

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
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {obj}",
            "opts": self.opts,
            "object": obj,
            "original": obj,
            "page": page,
            "entries": [(entry, audit.sentences(entry)) for entry in page],
            "told_by_rows": [] if page.has_next() else self.told_by_rows(obj),
            "nothing_told": self.nothing_told,
            "zone": self.zone_of(obj),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/accounts/history.html", context)


def _changes(form: Any, personal: Collection[str]) -> Iterator[tuple[str, Any]]:
    for name in form.changed_data:
        if name in personal or name.startswith("password"):
            yield name, []
            continue
        before, after = _plain(_before(form[name])), _plain(form.cleaned_data.get(name))
        if before != after:  # a list that is typed as text always counts as changed
            yield name, [_shortened(before), _shortened(after)]


def _before(field: BoundField) -> Any:
    """Return what was chosen before; the form itself only knows the key."""
    if isinstance(field.field, ModelChoiceField) and isinstance(field.initial, int):
        rows: QuerySet[Any] = field.field.queryset.model._base_manager.all()  # type: ignore[union-attr]
        return rows.filter(pk=field.initial).first()
    return field.initial


def _new_values(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: change[1:] for name, change in changes.items()}


def _plain(value: Any) -> str:
    """Write a value so that somebody can still read it in years; people as numbers."""
    match value:
        case None:
            return ""
        case User():
            return f"person {value.pk}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case list() | set() | QuerySet():
            return ", ".join(map(_plain, value))
    return str(value)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
