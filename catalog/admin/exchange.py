"""The pages to import, after a preview, and export movies, screens and price cards."""

import base64
import binascii
from http import HTTPStatus
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.audited_admin import staff_user
from booking_site.spreadsheets.cells import MAX_ROWS, Unreadable
from booking_site.spreadsheets.files import (
    CSV,
    KINDS_BY_EXTENSION,
    MAX_BYTES,
    XLSX,
    ExportFormat,
    as_file,
    read_table,
    remembered_format,
)
from catalog.admin.base import BackOffice, M
from catalog.exchange.importing import import_rows, preview_import
from catalog.exchange.tables import Table


class UploadForm(forms.Form):
    file = forms.FileField(
        label="File",
        help_text=(
            f"CSV or XLSX, with the columns of an export, 1 MB and {MAX_ROWS:,} rows at most."
        ),
        error_messages={"required": "Choose a file."},
        widget=forms.ClearableFileInput(
            {"accept": ".csv,.txt,.tsv,.xlsx", "class": "office-input"}
        ),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if extension(file.name) not in KINDS_BY_EXTENSION:
            raise forms.ValidationError("The file name must end in .csv, .txt, .tsv or .xlsx.")
        return file


class ConfirmForm(forms.Form):
    """The previewed file, and the digest of its outcome."""

    kind = forms.ChoiceField(choices=[(CSV, CSV), (XLSX, XLSX)])
    content = forms.CharField(max_length=2 * MAX_BYTES)
    expected = forms.CharField(max_length=64)

    def clean_content(self) -> bytes:
        try:
            return base64.b64decode(self.cleaned_data["content"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise forms.ValidationError("Choose the file again.") from error


class ImportExportAdmin(BackOffice[M]):
    """A model's pages with an import and an export beside the list."""

    table: ClassVar[type[Table]]

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                f"{name}/",
                self.admin_site.admin_view(page),
                name=f"catalog_{self.opts.model_name}_{name}",
            )
            for name, page in (("import", self.import_page), ("export", self.export_page))
        ] + super().get_urls()

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        offered = {
            "may_import": self.has_import_permission(request),
            "formats": ExportFormat.choices,
            "remembered_format": remembered_format(request),
        }
        return super().changelist_view(request, (extra_context or {}) | offered)

    def export_page(self, request: HttpRequest) -> HttpResponse:
        """Send all rows that the user may see as a file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        kind = request.GET.get("kind", ExportFormat.CSV)
        if kind not in ExportFormat.values:
            raise Http404
        rows = self.table(user=staff_user(request)).rows()
        name = str(self.opts.verbose_name_plural).replace(" ", "-")
        return as_file(rows, name=name, export_format=ExportFormat(kind))

    def import_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for a file, preview its outcome, and import it once confirmed."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        try:
            if "content" in request.POST:
                return self._confirm(request)
            uploaded = (request.POST, request.FILES) if request.method == "POST" else ()
            form = UploadForm(*uploaded)
            if not form.is_valid():
                return self._page(request, form=form)
            file = form.cleaned_data["file"]
            return self._preview(request, KINDS_BY_EXTENSION[extension(file.name)], file.read())
        except Unreadable as error:
            return self._page(request, error=str(error))

    def _preview(self, request: HttpRequest, kind: str, content: bytes) -> HttpResponse:
        found = read_table(content, kind=kind)
        outcome = preview_import(table=self.table, user=staff_user(request), rows=found.rows)
        file = {"kind": kind, "content": base64.b64encode(content).decode()}
        return self._page(request, outcome=outcome, file=file, note=found.note)

    def _confirm(self, request: HttpRequest) -> HttpResponse:
        form = ConfirmForm(request.POST)
        if not form.is_valid():
            error = "The file did not arrive completely. Choose it again."
            return self._page(request, error=error)
        kind, content = form.cleaned_data["kind"], form.cleaned_data["content"]
        done, outcome = import_rows(
            table=self.table,
            user=staff_user(request),
            rows=read_table(content, kind=kind).rows,
            expected=form.cleaned_data["expected"],
        )
        if not done:
            messages.error(
                request,
                "Nothing was imported: the data has changed since the preview. Check the new"
                " preview.",
            )
            return self._preview(request, kind, content)
        new = sum(change.is_new for change in outcome.changes)
        messages.success(
            request,
            f"Imported: {new} new, {len(outcome.changes) - new} changed, {outcome.unchanged}"
            " unchanged.",
        )
        return HttpResponseRedirect(reverse(f"admin:catalog_{self.opts.model_name}_changelist"))

    def _page(
        self, request: HttpRequest, *, form: UploadForm | None = None, **shown: Any
    ) -> HttpResponse:
        """Show the form, and an `error`, or the `outcome` of a `file` with a `note`."""
        form = UploadForm() if form is None else form
        title = f"Import {self.opts.verbose_name_plural}"
        context = self.page_context(request, title=title) | shown
        context |= {"form": form, "columns": self.table._meta.export_order}
        failed = form.errors or "error" in shown or ("outcome" in shown and shown["outcome"].errors)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if failed else HTTPStatus.OK
        return TemplateResponse(request, "catalog/admin/import.html", context, status=status)


def extension(name: str) -> str:
    return name.rpartition(".")[2].lower()
