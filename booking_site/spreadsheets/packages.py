"""Unpacks the parts of an XLSX file, which is a ZIP archive of XML, within limits."""

import io
import zlib
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from defusedxml.ElementTree import XMLParser, iterparse

from booking_site.spreadsheets.cells import Unreadable

# A small file can unpack to a lot, and each part and tag takes time and memory.
MAX_PART = 8 * 1024 * 1024
MAX_UNPACKED = 16 * 1024 * 1024
MAX_TAGS = 800_000
# Those of spreadsheets are shorter than 100.
MAX_NAMESPACE = 255
# Unpacked to packed size; blank cells with a format pack well. Small parts may exceed it.
MAX_RATIO = 100
MAX_UNPACKED_AT_ANY_RATIO = 1024 * 1024
# What is raised for damaged files by zipfile, the XML parser, and the reader of the sheets.
DAMAGED = (
    BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    ParseError,
    ValueError,
    LookupError,
    OverflowError,
)
# Excel packs encrypted workbooks like the files of its old format.
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED = "The file is encrypted, or has the old format XLS. Save it as XLSX without a password."
_UNUSUAL = "The file is packed in an unusual way. Open it in a spreadsheet program and save it."
_TOO_LARGE = (
    "The file is too large when unpacked. Delete blank rows and columns, or save it as CSV."
)


class Package:
    """An XLSX file, whose parts are unpacked when they are read. Raises Unreadable or DAMAGED."""

    def __init__(self, content: bytes) -> None:
        if content.startswith(_OLE):
            raise Unreadable(_ENCRYPTED)
        self._archive = ZipFile(io.BytesIO(content))
        self._names = set(self._archive.namelist())
        self._unpacked = self._tags = 0

    def __contains__(self, name: str | None) -> bool:
        return name in self._names

    def elements(self, name: str) -> Iterator[Element]:
        """Yield the elements of a part, each one after its children."""
        parser = XMLParser(target=TreeBuilder(), forbid_dtd=True)
        parser.parser.StartNamespaceDeclHandler = _check_namespace
        events = iterparse(io.BytesIO(self._unpack(name)), parser=parser)
        return (element for _, element in events)

    def _unpack(self, name: str) -> bytes:
        part = self._archive.getinfo(name)
        if part.flag_bits & 1:
            raise Unreadable(_ENCRYPTED)
        # Other methods unpack without a limit.
        if part.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise Unreadable(_UNUSUAL)
        largest = max(MAX_RATIO * part.compress_size, MAX_UNPACKED_AT_ANY_RATIO)
        largest = min(largest, MAX_PART, MAX_UNPACKED - self._unpacked)
        with self._archive.open(part) as file:
            content = file.read(largest + 1)  # the size in the archive's directory may be wrong
        self._unpacked += len(content)
        self._tags += content.count(b"<")
        if len(content) > largest or self._tags > MAX_TAGS:
            raise Unreadable(_TOO_LARGE)
        return content


def _check_namespace(prefix: str | None, namespace: str | None) -> None:
    if len(namespace or "") > MAX_NAMESPACE:
        raise Unreadable(_UNUSUAL)
