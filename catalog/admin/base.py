"""What every page of the back office shares: the theme, kind refusals, local times."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar
from zoneinfo import ZoneInfo

from django.contrib import admin, messages
from django.db import IntegrityError, router, transaction
from django.db.models import Model, ProtectedError, QuerySet
from django.db.models.deletion import Collector
from django.db.models.fields.related import RelatedField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin as ThemedModelAdmin
from unfold.admin import TabularInline as ThemedTabularInline

from accounts.audited_admin import Audited
from catalog.models import Theatre
from catalog.staff import within_theatres_of

M = TypeVar("M", bound=Model)
Parent = TypeVar("Parent", bound=Model)

if TYPE_CHECKING:
    # The theme has no types; its classes keep Django's interface.
    Themed = admin.ModelAdmin
    TabularInline = admin.TabularInline
else:

    class Themed(ThemedModelAdmin, Generic[M]):
        pass

    class TabularInline(ThemedTabularInline, Generic[M, Parent]):
        pass


class BackOffice(Audited, Themed[M]):
    """A model's pages under the theme, where a refusal is a sentence and never a traceback.

    Staff find, choose and change only what belongs to their own theatres.
    """

    # The lookup from a row to its theatre; None where rows belong to the whole chain.
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

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> M:
        """Return the row, for which everything here asks first. Raise Http404."""
        row: M | None = super().get_object(request, object_id, from_field)
        if row is None:
            raise Http404
        return row

    def get_field_queryset(
        self,
        db: str | None,
        db_field: "RelatedField[Any, Any]",
        request: HttpRequest,
    ) -> QuerySet[Any] | None:
        """Offer, and accept, only rows that the user would find on their own pages."""
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

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        # PostgreSQL has no NUL, and unlike the search of a list nobody has refused it yet.
        return super().get_search_results(request, queryset, search_term.replace("\0", ""))

    def get_deleted_objects(
        self, objs: Iterable[Any], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Count what would go, or what is in the way; a show alone has hundreds of seats."""
        doomed = list(objs)
        collector = Collector(using=router.db_for_write(self.model))
        try:
            collector.collect(doomed)
        except ProtectedError as error:
            in_the_way = Counter(type(row) for row in error.protected_objects)
            return [], {}, set(), _in_words(in_the_way)
        counts = Counter({model: len(rows) for model, rows in collector.data.items()})
        for rows in collector.fast_deletes:
            counts[rows.model] += rows.count()
        going = {str(model._meta.verbose_name_plural): n for model, n in counts.items() if n}
        return [str(row) for row in doomed[:20]], going, set(), []

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except (ProtectedError, IntegrityError):
            messages.error(request, "Nothing was deleted: somebody began to use it meanwhile.")
            return HttpResponseRedirect(request.get_full_path())

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (ProtectedError, IntegrityError):
            # The form saw no obstacle, so somebody else was faster by an instant.
            messages.error(
                request, "Nothing was saved: it collides with what somebody else just did."
            )
            return HttpResponseRedirect(request.get_full_path())

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            # The log of a deletion is written first: it must go if the deletion fails.
            with transaction.atomic():
                return super().changelist_view(request, extra_context)
        except (ProtectedError, IntegrityError):
            messages.error(request, "Nothing was changed: somebody began to use it meanwhile.")
            return HttpResponseRedirect(request.get_full_path())


class ReadOnly(BackOffice[M]):
    """Pages to look at: nobody adds, changes or deletes here, whatever their rights."""

    list_filter_submit = False
    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


def local(moment: datetime | None, zone: ZoneInfo) -> str:
    """Write a moment as the clock in that zone shows it; "" for none."""
    return f"{moment.astimezone(zone):%a %d %b %Y, %H:%M}" if moment else ""


def badge(kind: str, text: str) -> SafeString:
    """Draw a short label; the style sheet gives each kind its colour."""
    return format_html('<span class="badge badge-{}">{}</span>', kind, text)


def _in_words(counts: Counter[type[Model]]) -> list[str]:
    return [
        f"{n} {model._meta.verbose_name if n == 1 else model._meta.verbose_name_plural}"
        for model, n in counts.items()
    ]
