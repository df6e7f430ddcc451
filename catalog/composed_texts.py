"""Rewrites stored texts in Unicode's composed form (NFC), in which new ones are stored.

Such rows come from earlier releases and from plain SQL.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any
from unicodedata import normalize

from django.db import models

from booking_site.postgres.sort_keys import sort_key
from booking_site.typed_text import TypedText


def compose_texts(
    tables: "Iterable[type[models.Model]]", *, dry_run: bool = False
) -> Iterator[str]:
    """Rewrite the texts of models with a sort key, and yield a line for each row.

    A dry run only yields the lines. A title or name that would become equal to another, in the
    same theatre for screens, remains unchanged: staff have to decide.
    """
    for model in tables:
        yield from _compose(model, dry_run=dry_run)


def _compose(model: type[models.Model], *, dry_run: bool) -> Iterator[str]:
    kind, named_by = model._meta.verbose_name, model._meta.get_field("sort_key").source  # type: ignore[union-attr]
    scope = ["theatre_id"] if model._meta.model_name == "screen" else []
    columns = [field.name for field in model._meta.fields if isinstance(field, TypedText)]
    columns += [field.name for field in model._meta.fields if _is_array_of_texts(field)]
    rows = list(model._base_manager.order_by("pk").values("pk", *columns, *scope))
    named: dict[Any, list[int]] = defaultdict(list)
    for row in rows:
        named[_name(row, named_by, scope)].append(row["pk"])
    for row in rows:
        new = {name: _composed(row[name]) for name in columns}
        new = {name: text for name, text in new.items() if text != row[name]}
        others = [pk for pk in named[_name(row, named_by, scope)] if pk != row["pk"]]
        if named_by in new and others:
            del new[named_by]
            yield f"{kind} {row['pk']}: {kind} {others[0]} has the same {named_by}"
        if not new:
            continue
        if not dry_run:
            keys = {"sort_key": sort_key(new[named_by])} if named_by in new else {}
            model._base_manager.filter(**row).update(**new, **keys)
        yield f"{kind} {row['pk']}: rewritten"


def _is_array_of_texts(field: "models.Field[Any, Any]") -> bool:
    return isinstance(getattr(field, "base_field", None), TypedText)


def _name(row: dict[str, Any], named_by: str, scope: list[str]) -> Any:
    return (_composed(row[named_by]), *(row[column] for column in scope))


def _composed(text: Any) -> Any:
    """Return the text, or each of a list, in NFC."""
    return [normalize("NFC", each) for each in text] if isinstance(text, list) else normalize(
        "NFC", text
    )
