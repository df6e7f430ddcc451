"""Export and import of movies, screens and price cards: all rows or none."""

import base64
import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from accounts.audit import sentences
from accounts.models import AuditEntry, User
from booking_site.spreadsheets.cells import MAX_ROWS, escape_formula, unescape_formula
from booking_site.spreadsheets.files import MAX_BYTES, ExportFormat
from catalog.exchange.importing import MAX_LISTED_ERRORS
from catalog.models import Movie, PriceCard, Screen
from tests.factories import (
    MovieFactory,
    PriceCardFactory,
    ScreenFactory,
    TheatreFactory,
    UserFactory,
)

MOVIE_COLUMNS = [
    "id",
    "title",
    "description",
    "duration_minutes",
    "certificate",
    "language",
    "genres",
    "poster_url",
    "release_date",
    "run_ends_on",
]
SCREEN_COLUMNS = ["id", "theatre", "name", "turnaround_minutes", "layout"]
CARD_COLUMNS = ["id", "name", "standard", "premium", "wheelchair", "companion"]


def as_csv(*rows: Sequence[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def upload(office: Client, model: str, content: bytes, name: str = "file.csv") -> Any:
    address = reverse(f"admin:catalog_{model}_import")
    return office.post(address, {"file": SimpleUploadedFile(name, content)})


def confirm(office: Client, model: str, preview: Any) -> Any:
    outcome = preview.context["outcome"]
    data = preview.context["file"] | {"expected": outcome.digest}
    return office.post(reverse(f"admin:catalog_{model}_import"), data)


def export(office: Client, model: str, kind: str = "csv") -> bytes:
    content: bytes = office.get(reverse(f"admin:catalog_{model}_export"), {"kind": kind}).getvalue()
    return content


def row_errors(answer: Any) -> list[tuple[int, str, str]]:
    return [(error.row, error.column, error.message) for error in answer.context["outcome"].errors]


def movie_row(**cells: Any) -> list[Any]:
    return [cells.get(column, "") for column in MOVIE_COLUMNS]


def make_everything() -> None:
    MovieFactory(title="=1+1", description="Two\r\nlines, “quotes” and 'apostrophes'")
    MovieFactory(
        title="'=already",
        genres=["Drama", "War"],
        release_date="2026-02-03",
        run_ends_on="2026-03-04",
    )
    MovieFactory(title="Dune", duration_minutes=None)
    MovieFactory(title="Dune", duration_minutes=None)
    ScreenFactory(layout="A  SSSS..SSSS\r\nB  SSSS..SSSS\r\n")
    ScreenFactory(layout="= Stalls\nA <2+2 SS\n= Balcony\nA [1,4] SS")  # not a formula
    ScreenFactory(layout="")
    PriceCardFactory()
    PriceCardFactory(name="@night").lines.filter(category="companion").delete()


@pytest.mark.parametrize("kind", ExportFormat.values)
@pytest.mark.parametrize("model", ["movie", "screen", "pricecard"])
def test_importing_an_export_changes_nothing(model: str, kind: str, office: Client) -> None:
    make_everything()
    answer = upload(office, model, export(office, model, kind), f"file.{kind[:4].strip('-')}")
    outcome = answer.context["outcome"]
    assert (outcome.changes, outcome.errors) == ([], [])
    assert outcome.unchanged >= 2
    assert "No changes" in answer.text


@given(st.text())
def test_escaped_text_is_not_a_formula_and_reads_back_unchanged(text: str) -> None:
    assert unescape_formula(escape_formula(text)) == text
    assert not escape_formula(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize("text", ["Two\r\nlines", "Alien, Aliens; 1-2", "“=1+1”", "a -b"])
def test_harmless_text_is_exported_as_it_is(text: str) -> None:
    assert escape_formula(text) == text


def test_no_exported_cell_is_a_formula(office: Client) -> None:
    make_everything()
    rows = list(csv.reader(io.StringIO(export(office, "movie").decode("utf-8-sig"))))
    assert [row[1] for row in rows if "1+1" in row[1]] == ["'=1+1"]
    sheet = load_workbook(io.BytesIO(export(office, "movie", "xlsx"))).worksheets[0]
    assert all(cell.data_type != "f" for row in sheet for cell in row)


def test_an_import_is_previewed_then_applied_as_a_whole(office: Client, staff: User) -> None:
    known = MovieFactory(title="Vertigo", certificate="PG")
    preview = upload(
        office,
        "movie",
        as_csv(
            MOVIE_COLUMNS,
            movie_row(id=known.pk, title="Vertigo", certificate="12A", duration_minutes=128),
            movie_row(title="Psycho", genres="Horror,Drama", release_date="1960-06-16"),
        ),
    )
    assert preview.status_code == HTTPStatus.OK
    assert Movie.objects.count() == 1
    changes = preview.context["outcome"].changes
    assert [(change.row, change.is_new) for change in changes] == [(2, False), (3, True)]
    assert ("certificate", "PG", "12A") in changes[0].cells

    confirm(office, "movie", preview)
    known.refresh_from_db()
    assert (known.certificate, known.duration_minutes) == ("12A", 128)
    psycho = Movie.objects.get(title="Psycho")
    assert (psycho.genres, str(psycho.release_date)) == (["Horror", "Drama"], "1960-06-16")
    noted = AuditEntry.objects.order_by("pk").values_list("actor", "action", "subject_id")
    assert list(noted) == [(staff.pk, "imported", str(m.pk)) for m in (known, psycho)]
    old, new = map(sentences, AuditEntry.objects.order_by("pk"))
    assert "genres: Horror,Drama" in new
    assert all(" → " in sentence for sentence in old)


def test_importing_the_same_file_again_changes_nothing(office: Client) -> None:
    content = as_csv(MOVIE_COLUMNS, movie_row(title="Psycho", release_date="1960-06-16"))
    confirm(office, "movie", upload(office, "movie", content))
    assert upload(office, "movie", content).context["outcome"].changes == []
    assert Movie.objects.count() == 1


def test_one_invalid_row_stops_the_import_and_every_error_is_listed(office: Client) -> None:
    preview = upload(
        office,
        "movie",
        as_csv(
            MOVIE_COLUMNS,
            movie_row(title="Psycho"),
            movie_row(title="", duration_minutes="two hours", release_date="6/16/1960"),
            [],
            movie_row(title="Vertigo", release_date="2026-02-03", run_ends_on="2026-02-02"),
            movie_row(id="77000000", title="Rope"),
            movie_row(id="x", title="Rope"),
            movie_row(title="Psycho"),
        ),
    )
    assert preview.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert {(row, column) for row, column, _ in row_errors(preview)} == {
        (3, "title"),
        (3, "duration_minutes"),
        (3, "release_date"),
        (5, ""),  # the run ends before the release
        (6, "id"),
        (7, "id"),
        (8, ""),  # the same movie as in an earlier row
    }
    confirm(office, "movie", preview)
    assert not Movie.objects.exists()


def test_an_ambiguous_name_requires_the_id(office: Client) -> None:
    MovieFactory.create_batch(2, title="Dune")
    preview = upload(office, "movie", as_csv(MOVIE_COLUMNS, movie_row(title="Dune")))
    [(row, column, message)] = row_errors(preview)
    assert (row, column) == (2, "title")
    assert "Enter the id" in message


def test_data_changed_after_the_preview_requires_a_new_preview(office: Client) -> None:
    movie = MovieFactory(title="Vertigo", certificate="PG")
    row = movie_row(id=movie.pk, title="Vertigo", certificate="15")
    preview = upload(office, "movie", as_csv(MOVIE_COLUMNS, row))
    Movie.objects.update(certificate="12A")
    again = confirm(office, "movie", preview)
    assert "changed since the preview" in again.text
    movie.refresh_from_db()
    assert movie.certificate == "12A"
    confirm(office, "movie", again)
    movie.refresh_from_db()
    assert movie.certificate == "15"


@pytest.mark.parametrize("price", ["-1", "1.234", "50,000", "1e99", "NaN", "12 EUR", "#N/A"])
def test_an_invalid_price_is_named(price: str, office: Client) -> None:
    row = ["", "Night", price, "", "", ""]
    [(number, column, message)] = row_errors(upload(office, "pricecard", as_csv(CARD_COLUMNS, row)))
    assert (number, column) == (2, "standard")
    assert "12.50" in message or price in message


@pytest.mark.parametrize(
    ("currency", "price", "shown"),
    [
        ("KWD", "4.255", "4.255"),
        ("KWD", "4,25", "4.250"),
        ("JPY", "1500", "1500"),
        ("JPY", "1500.00", "1500"),
    ],
)
def test_prices_have_the_digits_of_the_theatres_currencies(
    currency: str, price: str, shown: str, office: Client
) -> None:
    TheatreFactory(currency=currency)
    row = ["", "Night", price, "", "", ""]
    confirm(office, "pricecard", upload(office, "pricecard", as_csv(CARD_COLUMNS, row)))
    (line,) = PriceCard.objects.get().lines.all()
    assert line.price == Decimal(shown)
    assert f"Standard {shown}" in office.get(reverse("admin:catalog_pricecard_changelist")).text
    assert f",{shown},," in export(office, "pricecard").decode()
    sheet = load_workbook(io.BytesIO(export(office, "pricecard", "xlsx"))).worksheets[0]
    cell = sheet["C2"]
    assert f"{cell.value:.{len(cell.number_format.partition('.')[2])}f}" == shown


def test_prices_have_two_digits_where_the_currencies_differ(office: Client) -> None:
    for currency in ("EUR", "JPY", "KWD"):
        TheatreFactory(currency=currency)
    lines = PriceCardFactory().lines
    lines.filter(category="standard").update(price="11")
    lines.filter(category="premium").update(price="4.255")
    page = office.get(reverse("admin:catalog_pricecard_changelist")).text
    exported = export(office, "pricecard").decode()
    assert "Standard 11.00 · Premium 4.255 " in page
    assert ",11.00,4.255," in exported


def test_a_stored_price_that_no_theatre_can_charge_is_shown_and_exported_as_it_is(
    office: Client,
) -> None:
    TheatreFactory(currency="JPY")
    PriceCardFactory().lines.filter(category="standard").update(price="10.50")
    assert "Standard 10.50" in office.get(reverse("admin:catalog_pricecard_changelist")).text
    assert ",10.50," in export(office, "pricecard").decode()


@pytest.mark.parametrize("kind", ["csv", "csv-decimal-comma", "xlsx"])
def test_an_export_with_a_price_that_no_theatre_can_charge_is_imported_without_changes(
    kind: str, office: Client
) -> None:
    TheatreFactory(currency="JPY")
    PriceCardFactory().lines.filter(category="standard").update(price="10.50")
    name = "file.xlsx" if kind == "xlsx" else "file.csv"
    answer = upload(office, "pricecard", export(office, "pricecard", kind), name)
    assert row_errors(answer) == []
    assert answer.context["outcome"].changes == []


@pytest.mark.parametrize(
    ("currency", "price"), [("JPY", "1500.50"), ("JPY", "1.500"), ("USD", "1.500")]
)
def test_prices_that_no_theatre_can_charge_are_refused(
    currency: str, price: str, office: Client
) -> None:
    TheatreFactory(currency=currency)
    row = ["", "Night", price, "", "", ""]
    [(_, column, _)] = row_errors(upload(office, "pricecard", as_csv(CARD_COLUMNS, row)))
    assert column == "standard"


def test_importing_a_price_card_adds_and_removes_lines(office: Client) -> None:
    card = PriceCardFactory(name="Night")
    row = [card.pk, "Night", "13.5", "15", "", "9.00"]
    confirm(office, "pricecard", upload(office, "pricecard", as_csv(CARD_COLUMNS, row)))
    assert {line.category: str(line.price) for line in PriceCard.objects.get().lines.all()} == {
        "standard": "13.50",
        "premium": "15.00",
        "companion": "9.00",
    }


def planner(client: Client, *, verbs: Iterable[str] = ("view", "add", "change")) -> User:
    """Log in a programmer without a theatre."""
    user = UserFactory(is_staff=True)
    names = [f"{verb}_{model}" for verb in verbs for model in ("movie", "screen", "pricecard")]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return user


def test_screens_of_other_theatres_cannot_be_exported_or_imported(client: Client, db: None) -> None:
    user = planner(client)
    mine, other = ScreenFactory(theatre__name="Rex"), ScreenFactory(theatre__name="Roxy")
    mine.theatre.staff.add(user)
    exported = export(client, "screen").decode()
    assert "Rex" in exported
    assert "Roxy" not in exported
    preview = upload(
        client,
        "screen",
        as_csv(
            SCREEN_COLUMNS,
            ["", "Roxy", "New", 20, ""],
            [other.pk, "Roxy", other.name, 5, ""],
            [mine.pk, "Roxy", mine.name, 5, ""],
        ),
    )
    assert [(row, column) for row, column, _ in row_errors(preview)] == [
        (2, "theatre"),
        (3, "id"),
        (4, "theatre"),
    ]


def test_importing_screens_validates_their_layouts(office: Client) -> None:
    theatre = TheatreFactory(name="Rex")
    rows = [["", "Rex", "One", 15, "A SS"], ["", "Rex", "Two", 15, "A SXS"]]
    preview = upload(office, "screen", as_csv(SCREEN_COLUMNS, *rows))
    [(row, column, message)] = row_errors(preview)
    assert (row, column) == (3, "layout")
    assert "column 4" in message
    preview = upload(office, "screen", as_csv(SCREEN_COLUMNS, rows[0]))
    confirm(office, "screen", preview)
    screen = Screen.objects.get()
    assert (screen.theatre, screen.name, screen.layout) == (theatre, "One", "A SS")


@pytest.mark.parametrize("model", ["movie", "screen", "pricecard"])
def test_staff_with_view_permission_may_export_but_not_import(
    model: str, client: Client, db: None
) -> None:
    planner(client, verbs=["view"])
    assert client.get(reverse(f"admin:catalog_{model}_export")).status_code == HTTPStatus.OK
    refused = client.get(reverse(f"admin:catalog_{model}_import"))
    assert refused.status_code == HTTPStatus.FORBIDDEN
    assert upload(client, model, b"").status_code == HTTPStatus.FORBIDDEN
    page = client.get(reverse(f"admin:catalog_{model}_changelist")).text
    assert reverse(f"admin:catalog_{model}_import") not in page
    planner(client, verbs=[])
    assert client.get(reverse(f"admin:catalog_{model}_export")).status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"id,titel", "m.csv", "Columns are missing: title"),
        (as_csv([*MOVIE_COLUMNS, "more"]), "m.csv", "Unknown columns: more"),
        (b"\xe9\x81", "m.csv", "not UTF-8"),
        (b"a\0b", "m.csv", "NUL"),
        (b'"open', "m.csv", "a CSV file"),
        (b"PK no zip", "m.xlsx", "an XLSX workbook"),
        (bytes.fromhex("d0cf11e0a1b11ae1"), "m.xlsx", "without a password"),
        (b"a\n" * (MAX_ROWS + 1), "m.csv", f"more than {MAX_ROWS} rows"),
        (b" " * (MAX_BYTES + 1), "m.csv", "larger than 1 MB"),
        (b"x", "m.ods", "end in .csv, .txt, .tsv or .xlsx"),
        (b"\n", "m.csv", "The file is empty"),
        (b"", "m.csv", "empty"),
    ],
)
def test_an_unreadable_file_is_refused_with_advice(
    content: bytes, name: str, message: str, office: Client
) -> None:
    answer = upload(office, "movie", content, name)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert message in answer.text


def test_a_confirmation_with_a_larger_file_than_an_upload_may_have_is_refused(
    office: Client,
) -> None:
    content = as_csv(MOVIE_COLUMNS, movie_row(title="Psycho")).ljust(MAX_BYTES + 1)
    data = {"kind": "csv", "content": base64.b64encode(content).decode(), "expected": "0" * 64}
    answer = office.post(reverse("admin:catalog_movie_import"), data)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "larger than 1 MB" in answer.text


def test_a_page_lists_the_first_errors(office: Client) -> None:
    row = ["", "Night", *"xxxx"]
    errors = MAX_LISTED_ERRORS + 4
    content = as_csv(CARD_COLUMNS, *[row] * (errors // 4))
    answer = upload(office, "pricecard", content)
    assert len(row_errors(answer)) == errors
    assert answer.text.count('<th scope="row">') == MAX_LISTED_ERRORS


@pytest.mark.parametrize("content", ["?", base64.b64encode(b"\xff").decode()])
def test_a_tampered_confirmation_is_refused(content: str, office: Client) -> None:
    data = {"kind": "csv", "content": content, "expected": "0" * 64}
    answer = office.post(reverse("admin:catalog_movie_import"), data)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
