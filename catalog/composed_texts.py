"""Rewrites stored texts in Unicode's composed form (NFC), in which new ones are stored.

Such rows come from earlier releases and from plain SQL.
"""

from collections.abc import Iterator
from typing import Any
from unicodedata import normalize

from django.db import models

from booking_site.postgres.sort_keys import sort_key
from booking_site.typed_text import TypedText

# The columns that identify a row: no two movies should have the same title, and no two screens of
# a theatre the same name.
NAMES = {
    "movie": ("title",),
    "theatre": ("name",),
    "screen": ("name", "theatre_id"),
    "pricecard": ("name",),
}


def compose_texts(model: type[models.Model], *, dry_run: bool = False) -> Iterator[str]:
    """Rewrite the texts of a model in `NAMES`, and yield a line for each row that has such a text.

    A dry run only yields the lines. A title or name that would become equal to another remains
    unchanged: staff have to rename one of the two.
    """
    kind, named_by = model._meta.verbose_name, NAMES[str(model._meta.model_name)]
    texts = [field.name for field in model._meta.fields if _is_typed(field)]
    rows = list(model._base_manager.order_by("pk").values("pk", *{*texts, *named_by}))
    named: dict[tuple[Any, ...], list[int]] = {}
    for row in rows:
        named.setdefault(_name(row, named_by), []).append(row["pk"])
    for row in rows:
        new = {text: _composed(row[text]) for text in texts if row[text] != _composed(row[text])}
        others = [pk for pk in named[_name(row, named_by)] if pk != row["pk"]]
        if named_by[0] in new and others:
            del new[named_by[0]]
            yield f"{kind} {row['pk']}: {kind} {others[0]} has the same {named_by[0]}"
        if new:
            if not dry_run:
                _rewrite(model, row, new, named_by[0])
            yield f"{kind} {row['pk']}: rewritten"


def _rewrite(
    model: type[models.Model], row: dict[str, Any], new: dict[str, Any], name: str
) -> None:
    key = {"sort_key": sort_key(new[name])} if name in new else {}
    unchanged = model._base_manager.filter(**{column: row[column] for column in ("pk", *new)})
    unchanged.update(**new, **key)


def _is_typed(field: "models.Field[Any, Any]") -> bool:
    return isinstance(getattr(field, "base_field", field), TypedText)


def _name(row: dict[str, Any], named_by: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(_composed(row[column]) for column in named_by)


def _composed(value: Any) -> Any:
    """Return a text, or each text of a list, in NFC; any other value as it is."""
    if isinstance(value, list):
        return [_composed(each) for each in value]
    return normalize("NFC", value) if isinstance(value, str) else value
