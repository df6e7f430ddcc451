"""Finds stored texts that forms would refuse: from earlier releases, imports and plain SQL."""

from collections.abc import Iterator

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db.models import Model

from booking_site.typed_text import TypedText, clean_text

# Other texts, printable ASCII without a link, are not refused.
SUSPECT = r"[^\x20-\x7e]|://"


def refused_texts() -> list[str]:
    """Return the row and field of each text that `clean_text` or its column refuses."""
    return [
        name
        for model in apps.get_models()
        for field in model._meta.fields
        if isinstance(field, TypedText)
        for name in _refused(model, field)
    ]


def _refused(model: type[Model], field: TypedText) -> Iterator[str]:
    suspects = model._default_manager.order_by("pk").filter(**{f"{field.name}__regex": SUSPECT})
    for key, text in suspects.values_list("pk", field.name).iterator():
        try:
            clean_text(text, multiline=field.multiline)
            field.run_validators(text)
        except ValidationError:
            yield f"{model._meta.verbose_name} {key}: {field.verbose_name}"
