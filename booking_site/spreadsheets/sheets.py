"""Reads the sheets of an XLSX file.

openpyxl would create objects for each style, name and rule of the file, which for a hostile file
takes minutes, and its results depend on whether lxml is installed.
"""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import Enum, auto
from xml.etree.ElementTree import Element

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils.cell import coordinate_to_tuple
from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel, from_ISO8601
from openpyxl.utils.escape import unescape

from booking_site.spreadsheets.cells import (
    MAX_COLUMNS,
    MAX_ROWS,
    TOO_MANY_COLUMNS,
    TOO_MANY_ROWS,
    Invalid,
    Unreadable,
    Value,
    is_blank,
    value_of_text,
)
from booking_site.spreadsheets.packages import Package

# About Excel's own limits. More and longer formats would take long to parse.
MAX_FORMATS = 1_000
_MAX_FORMAT_LENGTH = 255
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_AS_TEXT = "Format the cell as text and enter the value again."
_UNCALCULATED = "The formula has no value. Open the file in a spreadsheet program and save it."


@dataclass(slots=True)
class Sheet:
    """The rows up to the last one that isn't blank; `merged` is a range of merged cells, or ""."""

    title: str
    rows: list[list[Value]] = field(default_factory=list)
    merged: str = ""


class _Format(Enum):
    """What a cell with a number shows."""

    NUMBER = auto()
    PERCENTAGE = auto()
    DATE = auto()
    DURATION = auto()


@dataclass(frozen=True, slots=True)
class _Context:
    """What cells refer to: texts by number, formats by style, and the day of number 0."""

    texts: list[Value]
    formats: list[_Format]
    epoch: datetime


def visible_sheets(package: Package) -> Iterator[Sheet]:
    """Yield the sheets that are not hidden. Raise Unreadable or DAMAGED."""
    [main] = _parts(package, "", "officeDocument").values()
    epoch, titles = WINDOWS_EPOCH, {}
    for element in package.elements(main):
        if _name(element) == "workbookPr" and element.get("date1904") in ("1", "true"):
            epoch = MAC_EPOCH
        if _name(element) == "sheet" and element.get("state", "visible") == "visible":
            [number] = (value for name, value in element.items() if name.endswith("}id"))
            titles[number] = element.get("name", "")
    strings, styles = (_parts(package, main, kind).values() for kind in ("sharedStrings", "styles"))
    context = _Context(
        [text for part in strings for text in _texts(package, part)],
        [number_format for part in styles for number_format in _formats(package, part)],
        epoch,
    )
    sheets = _parts(package, main, "worksheet")  # leaves out sheets that are charts
    for number, title in titles.items():
        if sheets.get(number) in package:
            yield _sheet(package, sheets[number], title, context)


def _parts(package: Package, part: str, kind: str) -> dict[str, str]:
    """Return the names of the parts of a kind to which a part refers, by the reference's id."""
    folder, name = posixpath.split(part)
    parts = {}
    for element in package.elements(posixpath.join(folder, "_rels", f"{name}.rels")):
        if element.get("Type", "").endswith(f"/{kind}"):
            target = posixpath.join("/", folder, element.get("Target", ""))
            parts[element.get("Id", "")] = posixpath.normpath(target).lstrip("/")
    return parts


def _name(element: Element) -> str:
    """Return the tag without its namespace, of which there are two."""
    return element.tag.rpartition("}")[2]


def _texts(package: Package, part: str) -> Iterator[Value]:
    for element in package.elements(part):
        if _name(element) == "si":
            # Once for each text, as any number of cells can refer to it.
            yield _unescaped(_text(element))
            element.clear()


def _text(element: Element) -> str:
    """Return the text of all runs without the pronunciation, which Japanese files contain."""
    runs = element.findall("{*}t") + element.findall("{*}r/{*}t")
    return "".join(run.text or "" for run in runs)


def _formats(package: Package, part: str) -> Iterator[_Format]:
    formats = {str(number): _format(code) for number, code in BUILTIN_FORMATS.items()}
    custom = 0
    for element in package.elements(part):
        if _name(element) == "numFmt":
            custom += 1
            if custom > MAX_FORMATS:
                raise Unreadable("The file has too many number formats. Save it as CSV.")
            code = element.get("formatCode", "")[:_MAX_FORMAT_LENGTH]
            formats[element.get("numFmtId", "")] = _format(code)
        if _name(element) == "cellXfs":
            for style in element.findall("{*}xf"):
                yield formats.get(style.get("numFmtId", ""), _Format.NUMBER)


def _format(code: str) -> _Format:
    if is_date_format(code):
        return _Format.DURATION if is_timedelta_format(code) else _Format.DATE
    return _Format.PERCENTAGE if "%" in code else _Format.NUMBER


def _sheet(package: Package, part: str, title: str, context: _Context) -> Sheet:
    sheet = Sheet(title)
    number = 0
    for element in package.elements(part):
        if _name(element) == "row":
            number = int(element.get("r", number + 1))
            if row := _row(element, context):
                if number > MAX_ROWS:
                    raise Unreadable(TOO_MANY_ROWS)
                if number < 1:
                    raise ValueError("Rows are numbered from 1.")
                sheet.rows += [[] for _ in range(number - len(sheet.rows))]
                sheet.rows[number - 1] = row
            element.clear()
        elif _name(element) == "mergeCell":
            sheet.merged = element.get("ref", "")
    return sheet


def _row(element: Element, context: _Context) -> list[Value]:
    """Return the cells up to the last one that isn't blank."""
    row: list[Value] = []
    column = 0
    for cell in element.findall("{*}c"):
        place = cell.get("r")
        column = coordinate_to_tuple(place)[1] if place else column + 1
        if (value := _value(cell, context)) == "":
            continue
        if column > MAX_COLUMNS:
            raise Unreadable(TOO_MANY_COLUMNS)
        row += [""] * (column - len(row))
        row[column - 1] = value
    while row and is_blank(row[-1]):
        row.pop()
    return row


def _value(cell: Element, context: _Context) -> Value:
    text = cell.findtext("{*}v") or ""
    match cell.get("t", "n"):
        case "n" if text:
            style = int(cell.get("s", 0))
            shown = context.formats[style] if context.formats else _Format.NUMBER
            return _number(float(text), shown, context.epoch)
        case "d" if text:
            return _moment(from_ISO8601(text))
        case "s" if text:
            return context.texts[int(text)]
        case "inlineStr":
            inline = cell.find("{*}is")
            return "" if inline is None else _unescaped(_text(inline))
        case "b" if text:
            return "TRUE" if int(text) else "FALSE"
        case kind:
            # A formula whose result is an empty text has the type "str".
            if not text and kind != "str" and cell.find("{*}f") is not None:
                return Invalid(_UNCALCULATED)
            return _unescaped(text)


def _number(number: float, shown: _Format, epoch: datetime) -> Value:
    if shown is _Format.NUMBER:
        return f"{number:.15g}"  # as precise as spreadsheets: 7*1.1 is 7.7
    if shown is _Format.PERCENTAGE:
        return Invalid(f"The cell contains a percentage. {_AS_TEXT}")
    try:
        return _moment(from_excel(number, epoch, timedelta=shown is _Format.DURATION))
    except (OverflowError, ValueError):
        return Invalid(f"The cell contains a date that doesn't exist. {_AS_TEXT}")


def _moment(moment: date | time | timedelta) -> Value:
    if isinstance(moment, time | timedelta):
        return Invalid(f"The cell contains a time. {_AS_TEXT}")
    if isinstance(moment, datetime):
        if moment.time() != time():
            return Invalid("The cell contains a date with a time. Enter a date.")
        return moment.date()
    return moment


def _unescaped(text: str) -> Value:
    text = unescape(text)
    if _UNSTORABLE.search(text):
        return Invalid("The cell contains characters that cannot be stored. Enter it again.")
    return value_of_text(text)
