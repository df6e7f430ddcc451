"""The pages to import, after a preview, and export movies, screens and price cards."""

import base64
import binascii
from functools import partial
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.audited_admin import staff_user
from booking_site.spreadsheets.cells import Unreadable
from booking_site.spreadsheets.files import CSV, KINDS, XLSX, as_file, read_table
from catalog.admin.base import BackOffice, M
from catalog.exchange.importing import Outcome, import_rows, preview_import
from catalog.exchange.tables import TABLES, Table

MAX_BYTES = 1024 * 1024


class UploadForm(forms.Form):
    file = forms.FileField(
        label="File",
        help_text="CSV (UTF-8) or XLSX, with the columns of an export, 1 MB at most.",
        error_messages={"required": "Choose a file."},
        widget=forms.ClearableFileInput({"accept": ".csv,.xlsx", "class": "office-input"}),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise forms.ValidationError("The file is larger than 1 MB. Please split it.")
        if kind_of(file.name) not in KINDS:
            raise forms.ValidationError("The file name must end in .csv or .xlsx.")
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

    def get_urls(self) -> list[URLPattern]:
        pages = {"import": import_page, "export": export_page}
        return [
            path(
                f"{name}/",
                self.admin_site.admin_view(partial(page, model_admin=self)),
                name=f"catalog_{self.opts.model_name}_{name}",
            )
            for name, page in pages.items()
        ] + super().get_urls()

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        offered = {"may_import": self.has_import_permission(request)}
        return super().changelist_view(request, (extra_context or {}) | offered)


def kind_of(name: str) -> str:
    return name.rpartition(".")[2].lower()


def table_of(model_admin: ImportExportAdmin[Any]) -> type[Table]:
    return TABLES[str(model_admin.opts.model_name)]


def export_page(request: HttpRequest, *, model_admin: ImportExportAdmin[Any]) -> HttpResponse:
    """Send all rows that the user may see as a file."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    kind = request.GET.get("kind", CSV)
    if kind not in KINDS:
        raise Http404
    rows = table_of(model_admin)(user=staff_user(request)).rows()
    return as_file(
        rows, name=str(model_admin.opts.verbose_name_plural).replace(" ", "-"), kind=kind
    )


def import_page(request: HttpRequest, *, model_admin: ImportExportAdmin[Any]) -> HttpResponse:
    """Ask for a file, preview its outcome, and import it once confirmed."""
    if not model_admin.has_import_permission(request):
        raise PermissionDenied
    if request.method != "POST":
        return _page(request, model_admin, form=UploadForm())
    if "content" in request.POST:
        return _confirm(request, model_admin)
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, model_admin, form=form)
    file = form.cleaned_data["file"]
    return _preview(request, model_admin, kind_of(file.name), file.read())


def _preview(
    request: HttpRequest, model_admin: ImportExportAdmin[Any], kind: str, content: bytes
) -> HttpResponse:
    try:
        rows = read_table(content, kind=kind)
        outcome = preview_import(table=table_of(model_admin), user=staff_user(request), rows=rows)
    except Unreadable as error:
        return _page(request, model_admin, form=UploadForm(), error=str(error))
    file = {"kind": kind, "content": base64.b64encode(content).decode()}
    return _page(request, model_admin, form=UploadForm(), outcome=outcome, file=file)


def _confirm(request: HttpRequest, model_admin: ImportExportAdmin[Any]) -> HttpResponse:
    form = ConfirmForm(request.POST)
    if not form.is_valid():
        error = "The file did not arrive completely. Choose it again."
        return _page(request, model_admin, form=UploadForm(), error=error)
    kind, content, expected = (form.cleaned_data[name] for name in ("kind", "content", "expected"))
    try:
        done, outcome = import_rows(
            table=table_of(model_admin),
            user=staff_user(request),
            rows=read_table(content, kind=kind),
            expected=expected,
        )
    except Unreadable as error:
        return _page(request, model_admin, form=UploadForm(), error=str(error))
    if not done:
        messages.error(
            request,
            "Nothing was imported: the data has changed since the preview. Check the new preview.",
        )
        return _preview(request, model_admin, kind, content)
    new = sum(change.is_new for change in outcome.changes)
    messages.success(
        request,
        f"Imported: {new} new, {len(outcome.changes) - new} changed, {outcome.unchanged}"
        " unchanged.",
    )
    return HttpResponseRedirect(reverse(f"admin:catalog_{model_admin.opts.model_name}_changelist"))


def _page(
    request: HttpRequest,
    model_admin: ImportExportAdmin[Any],
    *,
    form: UploadForm,
    error: str = "",
    outcome: Outcome | None = None,
    file: dict[str, str] | None = None,
) -> HttpResponse:
    title = f"Import {model_admin.opts.verbose_name_plural}"
    context = model_admin.page_context(request, title=title) | {
        "form": form,
        "error": error,
        "outcome": outcome,
        "file": file,
        "columns": table_of(model_admin)._meta.export_order,
    }
    failed = error or form.errors or (outcome and outcome.errors)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if failed else HTTPStatus.OK
    return TemplateResponse(request, "catalog/admin/import.html", context, status=status)
