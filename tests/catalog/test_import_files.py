"""Imports of files from spreadsheets: exactly what the preview shows is written."""

import html
import io
from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from openpyxl import Workbook

from accounts.models import AuditEntry
from booking_site.spreadsheets.files import read_table
from catalog.models import Movie, PriceCard, PriceCardLine
from tests.catalog.test_exchange import (
    CARD_COLUMNS,
    MOVIE_COLUMNS,
    SCREEN_COLUMNS,
    as_csv,
    confirm,
    export,
    movie_row,
    row_errors,
    upload,
)
from tests.factories import MovieFactory, PriceCardFactory, TheatreFactory

CARDS = ";".join(CARD_COLUMNS)


def as_xlsx(*rows: Sequence[Any]) -> bytes:
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def places(answer: Any) -> list[tuple[int, str]]:
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    return [(row, column) for row, column, _ in row_errors(answer)]


def test_a_price_of_zero_is_shown_when_it_is_removed_or_set(office: Client) -> None:
    card = PriceCardFactory()
    card.lines.all().delete()
    PriceCardLine.objects.create(price_card=card, category="standard", price=0)
    row = [card.pk, card.name, "", "0.00", "", ""]
    preview = upload(office, "pricecard", as_csv(CARD_COLUMNS, row))
    [change] = preview.context["outcome"].changes
    assert change.cells == [("standard", "0.00", ""), ("premium", "", "0.00")]
    confirm(office, "pricecard", preview)
    changed = {"standard": ["0.00", ""], "premium": ["", "0.00"]}
    assert AuditEntry.objects.get().facts == {"changed": changed}


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (",Night,1,2,3,4,5", (2, "G")),
        (",Night,1,2,3,4,", (2, "G")),  # a comma too many, so cells may have moved
        (",Night, late,1,2,3,4", (2, "G")),
        (",Night,#N/A,2,3,4", (2, "standard")),
        (",#N/A,1,2,3,4", (2, "name")),
    ],
)
def test_a_cell_that_cannot_be_read_is_an_error(
    line: str, place: tuple[int, str], office: Client
) -> None:
    content = ",".join(CARD_COLUMNS) + "\n" + line
    assert places(upload(office, "pricecard", content.encode())) == [place]


def test_errors_of_cells_and_of_values_are_listed_in_the_order_of_rows(office: Client) -> None:
    rows = [["", "A", "x", "", "", ""], ["", "B", "=1/3", "", "", ""], ["", "C", "y", "", "", ""]]
    answer = upload(office, "pricecard", as_xlsx(CARD_COLUMNS, *rows), "cards.xlsx")
    assert places(answer) == [(2, "standard"), (3, "standard"), (4, "standard")]


def test_a_cell_without_a_heading_is_an_error_and_a_blank_column_is_not(office: Client) -> None:
    headings = [CARD_COLUMNS[0], "", *CARD_COLUMNS[1:], " "]
    filled = as_csv(headings, ["", "7.00", "Night", "", "", "", "", ""])
    assert places(upload(office, "pricecard", filled)) == [(2, "B")]
    blank = upload(office, "pricecard", as_csv(headings, ["", "", "Night", "", "", "", "", ""]))
    assert blank.status_code == HTTPStatus.OK


@pytest.mark.parametrize("repeated", ["standard", "Standard "])
def test_a_repeated_heading_is_refused(repeated: str, office: Client) -> None:
    content = as_csv([*CARD_COLUMNS, repeated], ["", "Night", "1", "", "", "", "2"])
    answer = upload(office, "pricecard", content)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "Several columns are called standard" in answer.text


def test_headings_may_have_capitals_and_blanks(office: Client) -> None:
    headings = [column.replace("_", " ").title() for column in MOVIE_COLUMNS]
    row = movie_row(title="Psycho", release_date="16.06.1960", genres="Horror, Drama")
    confirm(office, "movie", upload(office, "movie", as_csv(headings, row)))
    psycho = Movie.objects.get()
    assert (psycho.release_date, psycho.genres) == (date(1960, 6, 16), ["Horror", "Drama"])


def test_a_european_price_list_is_imported(office: Client) -> None:
    content = f"sep=;\r\n{CARDS}\r\n;Après-midi;12,5;9,90;;\r\n".encode("cp1252")
    preview = upload(office, "pricecard", content)
    assert "Windows-1252" in preview.context["note"]
    assert preview.context["note"] in preview.text
    confirm(office, "pricecard", preview)
    card = PriceCard.objects.get()
    assert card.name == "Après-midi"
    assert {line.category: str(line.price) for line in card.lines.all()} == {
        "standard": "12.50",
        "premium": "9.90",
    }


@pytest.mark.parametrize("release_date", ["03/04/2026", "20.11.26", "31.02.2026", "2026-13-01"])
def test_a_day_that_can_be_read_in_two_ways_is_an_error(release_date: str, office: Client) -> None:
    content = as_csv(MOVIE_COLUMNS, movie_row(title="Psycho", release_date=release_date))
    assert places(upload(office, "movie", content)) == [(2, "release_date")]


def test_dates_and_numbers_of_a_workbook_are_read_where_they_belong(office: Client) -> None:
    right = movie_row(title=1917, duration_minutes=119.0, release_date=date(2020, 1, 10))
    wrong = movie_row(title=date(2026, 9, 11))
    preview = upload(office, "movie", as_xlsx(MOVIE_COLUMNS, right, wrong), "m.xlsx")
    assert places(preview) == [(3, "title")]
    confirm(office, "movie", upload(office, "movie", as_xlsx(MOVIE_COLUMNS, right), "m.xlsx"))
    movie = Movie.objects.get()
    assert (movie.title, movie.duration_minutes) == ("1917", 119)
    assert movie.release_date == date(2020, 1, 10)


ROWS: dict[str, tuple[list[str], list[list[Any]]]] = {
    "movie": (
        MOVIE_COLUMNS,
        [
            movie_row(title=" Psycho ", description="  Two  blanks\r\n", genres="a,,b "),
            movie_row(title="'=1+1", duration_minutes="007", release_date="1.2.2026"),
            movie_row(title="'Tis", description="x" * 300),
        ],
    ),
    "screen": (
        SCREEN_COLUMNS,
        [["", " Rex", "One ", "0", "A  SS\r\n\r\nB SS  \r\n"], ["", "Rex", "Two", "5", ""]],
    ),
    "pricecard": (
        CARD_COLUMNS,
        [["", "A", "0", "0,5", "", "7"], ["", "B", "", "", "", "012.50"]],
    ),
}


def exported(office: Client, model: str) -> list[dict[str, Any]]:
    """Return the exported rows by column, in the order in which they were created."""
    headings, *rows = read_table(export(office, model), kind="csv").rows
    named = [dict(zip(map(str, headings), row, strict=True)) for row in rows]
    return sorted(named, key=lambda row: int(row["id"]))


@pytest.mark.parametrize("model", ROWS)
def test_what_a_preview_shows_is_what_is_written(model: str, office: Client) -> None:
    TheatreFactory(name="Rex")
    headings, rows = ROWS[model]
    preview = upload(office, model, as_csv(headings, *rows))
    confirm(office, model, preview)
    page = html.unescape(preview.text)
    written = exported(office, model)
    for change, row in zip(preview.context["outcome"].changes, written, strict=True):
        shown = {column: after for column, _, after in change.cells}
        assert shown == {column: cell for column, cell in row.items() if cell and column != "id"}
        assert all(f"<td>{cell}</td>" in page for cell in shown.values())
    assert len(written) == len(rows)


def test_an_export_format_is_remembered(office: Client) -> None:
    export(office, "movie", "csv-decimal-comma")
    page = office.get(reverse("admin:catalog_pricecard_changelist"))
    assert page.context["remembered_format"] == "csv-decimal-comma"
    assert '<option value="csv-decimal-comma" selected>' in page.text
    office.cookies["export_format"] = "nonsense"
    page = office.get(reverse("admin:catalog_pricecard_changelist"))
    assert page.context["remembered_format"] == "csv"


def test_a_change_beyond_the_first_letters_of_a_text_is_shown(office: Client) -> None:
    movie = MovieFactory(description="x" * 300)
    row = movie_row(id=movie.pk, title=movie.title, description="x" * 300 + " The end.")
    assert "The end." in upload(office, "movie", as_csv(MOVIE_COLUMNS, row)).text
