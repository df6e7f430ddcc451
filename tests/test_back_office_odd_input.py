"""No odd id, number or text in an address or a form of the back office is a server error.

The pages are those of `back_office_rights.txt`, so that none is forgotten.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client

from accounts.models import User
from tests.test_back_office_rights import FORMS, Row, SampleData, address, make_sample, rows

pytestmark = pytest.mark.django_db

BEYOND_BIGINT = "9223372036854775808"
ODD = ("-1", "1.5", "x", "\0", BEYOND_BIGINT, "9" * 5000)
Request = tuple[str, dict[str, Any]]  # the address, and the form or the parameters
# The parameters that lists read, besides their filters, and those of other pages.
OF_LISTS = ("p", "o", "_to_field")
OF_PAGES = {
    "admin/": ("theatre",),
    "admin/box-office/": ("theatre", "day", "q"),
    "admin/box-office/shows/<bigint:show_id>/": ("best", "accessible"),
    "admin/box-office/shows/<bigint:show_id>/seats/": ("best", "accessible"),
    "admin/search/": ("s",),
    "admin/login/": ("next",),
    "admin/reports/": ("by", "theatre", "first", "last", "download"),
    "admin/accounts/user/<path:object_id>/history/": ("page",),
    **{
        f"admin/catalog/show/{page}/": ("theatre", "week")
        for page in ("week", "plan", "copy-week", "open-week")
    },
    **{f"admin/catalog/{model}/export/": ("kind",) for model in ("movie", "pricecard", "screen")},
}


@pytest.fixture
def sample(office: Client, staff: User) -> SampleData:
    office.raise_request_exception = False
    sample = make_sample(1)
    sample.theatre.staff.add(staff)
    return sample


def odd_addresses(row: Row) -> Iterator[str]:
    for value in ODD:
        yield "/" + re.sub(r"<(?:\w+:)?(\w+)>", quote(value, safe=""), row.route)


def server_errors(client: Client, method: str, requests: Iterator[Request]) -> list[str]:
    """Send each request, and return those that were answered with a server error."""
    failed = []
    for target, data in requests:
        before = transaction.savepoint()
        answer = getattr(client, method)(target, data)
        transaction.savepoint_rollback(before)
        if answer.status_code >= 500:
            failed.append(f"{method} {target[:100]} {str(data)[:100]}: {answer.status_code}")
    return failed


def test_odd_ids_in_addresses_are_not_server_errors(office: Client, sample: SampleData) -> None:
    table = [row for row in rows() if "<" in row.route]
    pages = ((target, {}) for row in table if row.action == "get" for target in odd_addresses(row))
    assert server_errors(office, "get", pages) == []
    forms = (
        (target, FORMS[row.action](sample))
        for row in table
        if row.action in FORMS
        for target in odd_addresses(row)
    )
    assert server_errors(office, "post", forms) == []


def filters_of(page: admin.ModelAdmin) -> Iterator[str]:
    """Yield the parameters of a list's filters."""
    for each in page.list_filter:
        if isinstance(each, str):
            yield from (f"{each}__exact", f"{each}__id__exact", f"{each}__isnull", each)
        elif isinstance(each, tuple):
            yield from (f"{each[0]}{end}" for end in ("__id__exact", "_from", "_to"))
        else:
            yield each.parameter_name
    if page.date_hierarchy:
        yield from (f"{page.date_hierarchy}__{part}" for part in ("year", "month", "day", "gte"))


def test_odd_parameters_are_not_server_errors(office: Client, sample: SampleData) -> None:
    def pages() -> Iterator[Request]:
        for model, page in admin.site._registry.items():
            target = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            for name in OF_LISTS:
                yield from ((target, {name: value}) for value in ODD)
            for name in ("q", *page.linked_filters, *filters_of(page)):
                # Some filters are offered for found rows only.
                yield from (
                    (target, {"q": "x", name: value}) for value in ("x", "\0", BEYOND_BIGINT)
                )
        for row in rows():
            if row.action == "get":
                for name in OF_PAGES.get(row.route, ()):
                    for value in ODD:
                        yield address(row, sample).partition("?")[0], {name: value}

    assert server_errors(office, "get", pages()) == []


def test_odd_values_in_forms_are_not_server_errors(office: Client, sample: SampleData) -> None:
    def forms() -> Iterator[Request]:
        for row in rows():
            if row.action in FORMS:
                form = FORMS[row.action](sample)
                for name in form:
                    for value in ODD:
                        yield address(row, sample), form | {name: value}

    assert server_errors(office, "post", forms()) == []


@pytest.mark.usefixtures("sample")
def test_odd_values_in_fields_with_autocompletion_are_not_server_errors(office: Client) -> None:
    def forms() -> Iterator[Request]:
        for model, page in admin.site._registry.items():
            for field in page.autocomplete_fields:
                for value in (*ODD, "\u0663", "\u00b2"):
                    target = f"/admin/{model._meta.app_label}/{model._meta.model_name}/add/"
                    yield target, {field: value}

    found = list(forms())
    assert len(found) > 20
    assert server_errors(office, "post", iter(found)) == []


def test_odd_rows_chosen_in_lists_are_not_server_errors(office: Client, sample: SampleData) -> None:
    def forms() -> Iterator[Request]:
        for model, page in admin.site._registry.items():
            target = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            for name in ("delete_selected", *(action for action in page.actions or ())):
                for value in ODD:
                    yield target, {"action": name, "_selected_action": value, "post": "yes"}
                    yield target, {"action": value, "_selected_action": "1", "index": value}

    assert server_errors(office, "post", forms()) == []


def test_odd_autocompletion_is_not_a_server_error(office: Client, sample: SampleData) -> None:
    def pages() -> Iterator[Request]:
        for model, page in admin.site._registry.items():
            for field in page.autocomplete_fields:
                asked = {
                    "app_label": model._meta.app_label,
                    "model_name": model._meta.model_name,
                    "field_name": field,
                    "term": "",
                    "page": "1",
                }
                for name in asked:
                    for value in ODD:
                        yield "/admin/autocomplete/", asked | {name: value}

    found = list(pages())
    assert len(found) > 100
    assert server_errors(office, "get", iter(found)) == []
