"""Lets Babel extract the sentences of templates, which Django turns into Python for gettext."""

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from babel.messages.extract import extract_python
from django.utils.translation.template import templatize


def extract(
    template: BinaryIO, keywords: Any, comment_tags: Any, options: Any
) -> Iterator[tuple[Any, ...]]:
    """Yield the sentences of a template, as an extraction method of Babel."""
    code = templatize(template.read().decode())
    # Besides the sentences, `templatize` leaves the template's indentation, which Python rejects.
    lines = (line.lstrip() for line in code.splitlines())
    source = io.BytesIO("\n".join(lines).encode())
    yield from extract_python(source, keywords, comment_tags, options)
