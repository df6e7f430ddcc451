"""Stored keys that sort names and titles in the same order on every PostgreSQL.

`docs/decisions/0019-sorting-names.md` explains why PostgreSQL's collations are not used.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from django.db import models
from pyuca.collator import Collator_10_0_0

if TYPE_CHECKING:
    BytesColumn = models.BinaryField[Any, bytes | None]
else:  # not generic at run time
    BytesColumn = models.BinaryField


@cache
def _collator() -> Collator_10_0_0:
    return Collator_10_0_0()  # a fixed version: stored keys are compared with new ones


def sort_key(text: str) -> bytes:
    """Return bytes that sort like the text by the Unicode Collation Algorithm (UTS #10).

    The text follows its weights, so that different texts never have equal keys.
    """
    weights = (*_collator().sort_key(text), 0)
    return b"".join(weight.to_bytes(2, "big") for weight in weights) + text.encode()


class SortKeyField(BytesColumn):
    """The sort key of another column of the row, written by `save()` and `bulk_create()`.

    A trigger of the table sets it to null when only that column is written, by `update()` or plain
    SQL. `store_missing_sort_keys` then stores it.
    """

    def __init__(self, *, source: str, **options: Any) -> None:
        self.source = source
        super().__init__(**{"null": True, "editable": False, **options})

    def deconstruct(self) -> Any:
        name, path, arguments, options = super().deconstruct()
        return name, path, arguments, {**options, "source": self.source}

    def pre_save(self, instance: models.Model, add: bool) -> bytes:
        key = sort_key(getattr(instance, self.source))
        setattr(instance, self.attname, key)
        return key


def store_missing_sort_keys(model: type[models.Model]) -> int:
    """Store the keys that are null, and return their number."""
    field: Any = model._meta.get_field("sort_key")
    rows = model._base_manager.filter(sort_key=None)
    stored = 0
    for pk, text in list(rows.values_list("pk", field.source)):
        # A text that has changed in the meantime gets its key in the next run.
        stored += rows.filter(pk=pk, **{field.source: text}).update(sort_key=sort_key(text))
    return stored
