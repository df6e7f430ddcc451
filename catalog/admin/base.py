"""Base classes of all back office pages, and how cells show times, shows and states."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, tzinfo
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from django.contrib import admin, messages
from django.db import IntegrityError, connection, router, transaction
from django.db.models import Model, ProtectedError, QuerySet
from django.db.models.deletion import Collector
from django.db.models.fields.related import RelatedField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from psycopg.errors import ForeignKeyViolation
from unfold.admin import ModelAdmin as ThemedModelAdmin
from unfold.admin import TabularInline as ThemedTabularInline

from accounts.audited_admin import Audited
from booking_site.api.errors import violated_constraint
from booking_site.back_office.permissions import NoAdding, NoChanging, NoDeleting
from booking_site.back_office.word_search import WordSearch
from booking_site.local_time import clock, offset_of
from catalog.models import Show, Theatre
from catalog.staff import theatres_of, within_theatres_of

M = TypeVar("M", bound=Model)
Parent = TypeVar("Parent", bound=Model)
Response = TypeVar("Response")

if TYPE_CHECKING:
    # The theme has no types; its classes keep Django's interface.
    Themed = admin.ModelAdmin
    TabularInline = admin.TabularInline
else:

    class Themed(ThemedModelAdmin, Generic[M]):
        pass

    class TabularInline(ThemedTabularInline, Generic[M, Parent]):
        pass


class BackOffice(Audited, WordSearch, Themed[M]):
    """A model's pages. Staff see, choose and change only rows of their own theatres.

    Conflicts with other users' changes become messages instead of server errors.
    """

    # The lookup from a row to its theatre; None if rows belong to the whole chain.
    theatre_path: ClassVar[str | None] = None

    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True
    warn_unsaved_form = True
    delete_confirmation_template = "catalog/admin/delete_confirmation.html"
    delete_selected_confirmation_template = "catalog/admin/delete_selected_confirmation.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        rows = super().get_queryset(request)
        if self.theatre_path is None:
            return rows
        return within_theatres_of(request.user, rows, self.theatre_path)

    def get_field_queryset(
        self,
        db: str | None,
        db_field: "RelatedField[Any, Any]",
        request: HttpRequest,
    ) -> QuerySet[Any] | None:
        """Offer and accept only rows that the user can see."""
        page = self.admin_site._registry.get(db_field.remote_field.model)
        if isinstance(page, BackOffice) and page.theatre_path:
            return page.get_queryset(request)
        return super().get_field_queryset(db, db_field, request)

    def theatre_of(self, obj: Any) -> Theatre | None:
        if self.theatre_path is None:
            return None
        for name in self.theatre_path.split("__"):
            obj = getattr(obj, name)
        assert isinstance(obj, Theatre)  # noqa: S101 - for the type checker
        return obj

    def theatre_id_of(self, obj: Any) -> int | None:
        theatre = self.theatre_of(obj)
        return theatre.pk if theatre else None

    def zone_of(self, obj: Any) -> tzinfo:
        theatre = self.theatre_of(obj)
        return theatre.zone if theatre else super().zone_of(obj)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> M | None:
        """Lock the object of a submitted form, so that validation holds until it is saved.

        Return None, for which Django shows a message, if someone has just deleted it. Raise
        Http404 if it does not exist, or not in one of the user's theatres.
        """
        found: M | None = super().get_object(request, object_id, from_field)
        if found is None:
            raise Http404
        if request.method != "POST" or not connection.in_atomic_block:
            return found
        rows = self.model._base_manager.select_for_update(of=("self",), no_key=True)
        if rows.filter(pk=found.pk).first() is None:
            return None
        return super().get_object(request, object_id, from_field)

    def get_deleted_objects(
        self, objs: Iterable[Any], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Count what would be deleted, or what prevents it, instead of listing every seat."""
        rows_to_delete = list(objs)
        collector = Collector(using=router.db_for_write(self.model))
        try:
            collector.collect(rows_to_delete)
        except ProtectedError as error:
            protected = Counter(type(row)._meta for row in error.protected_objects)
            reasons = [
                f"{n} {meta.verbose_name if n == 1 else meta.verbose_name_plural}"
                for meta, n in protected.items()
            ]
            return [], {}, set(), reasons
        counts = Counter({model: len(rows) for model, rows in collector.data.items()})
        for rows in collector.fast_deletes:
            counts[rows.model] += rows.count()
        deleted = {str(model._meta.verbose_name_plural): n for model, n in counts.items() if n}
        return [str(row) for row in rows_to_delete[:20]], deleted, set(), []

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        view = partial(super().delete_view, request, object_id, extra_context)
        return self._or_conflict(request, view, "Not deleted: it is now in use.")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        view = partial(super().changeform_view, request, object_id, form_url, extra_context)
        message = "Not saved: it conflicts with another user's change."
        return self._or_conflict(request, view, message)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[M], *location: Any
    ) -> HttpResponse | None:
        view = partial(super().response_action, request, queryset, *location)
        if request.POST.get("action") != "delete_selected":
            return view()
        # One transaction: the audit entry is written first, and must go if the deletion fails.
        view = transaction.atomic(durable=True)(view)
        return self._or_conflict(request, view, "Not deleted: it is now in use.")

    def _or_conflict(
        self, request: HttpRequest, view: Callable[[], Response], message: str
    ) -> Response | HttpResponse:
        """Return the view's response, or show the message if another user's change conflicts."""
        try:
            return view()
        except (ProtectedError, IntegrityError) as error:
            if not self._is_conflict(error):
                raise
            messages.error(request, message)
            return HttpResponseRedirect(request.get_full_path())

    def _is_conflict(self, error: Exception) -> bool:
        """Return whether a concurrent change caused the error, after the form was validated."""
        if isinstance(error, ProtectedError) or isinstance(error.__cause__, ForeignKeyViolation):
            return True
        models = (self.model, *(inline.model for inline in self.inlines))
        checked = {rule.name for model in models for rule in model._meta.constraints}
        return violated_constraint(error) in checked


class ReadOnly(NoAdding, NoChanging, NoDeleting, BackOffice[M]):
    """Pages where nobody can add, change or delete, whatever their permissions."""

    list_filter_submit = False
    warn_unsaved_form = False


class TheatreFilter(admin.SimpleListFilter):
    """Rows of one of the user's theatres, found by their `theatre_id`."""

    title = "theatre"
    parameter_name = "theatre"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(theatre.pk), theatre.name) for theatre in theatres_of(request.user)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        offered = {str(key) for key, _ in self.lookup_choices}
        return queryset.filter(theatre_id=self.value()) if self.value() in offered else queryset


def local(moment: datetime | None, zone: tzinfo) -> str:
    """Format a moment in this time zone, with its offset from UTC; "" for None."""
    if moment is None:
        return ""
    local_time = moment.astimezone(zone)
    return f"{local_time:%a %d %b %Y, %H:%M} {offset_of(local_time)}"


def time_column(
    field: str, description: str, *, ordering: str | None = None
) -> Callable[[BackOffice[Any], Any], str]:
    """Return a column with the time in this field, in the time zone of the row's theatre.

    With `ordering` it is for a list, and has two lines so that it is narrow.
    """

    @admin.display(description=description, ordering=ordering)
    def column(page: BackOffice[Any], row: Any) -> str:
        text = local(getattr(row, field), page.zone_of(row))
        return two_lines(*text.split(", ")) if ordering and text else text

    return column


def two_lines(first: object, second: object) -> SafeString:
    """Return the HTML of a list cell: a line, and a smaller one below it."""
    return format_html('<span class="two-lines"><b>{}</b><small>{}</small></span>', first, second)


@admin.display(description="show", ordering="show__start_time")
def show_column(page: BackOffice[Any], row: Any) -> SafeString:
    """A column with the show of the row: the movie, and below it time and place."""
    show: Show = row.show
    starts = clock(show.start_time, show.theatre.zone, "%a %d %b, %H:%M")
    return two_lines(show.movie, f"{starts} · {show.screen or show.theatre}")


def badge(kind: str, text: str) -> SafeString:
    """Return the HTML of a short label; the style sheet has a colour for each kind."""
    return format_html('<span class="badge badge-{}">{}</span>', kind, text)
