"""Fields with autocompletion, whose chosen rows the page reads again after an error."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.widgets import (
    AutocompleteMixin,
    AutocompleteSelect,
    AutocompleteSelectMultiple,
)
from django.core.exceptions import ValidationError


class _Rows(AutocompleteMixin):
    """Leaves out ids that no row can have; Django would fail on them."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        ids = [chosen for chosen in value if self._is_id(chosen)]
        return super().optgroups(name, ids, attr)

    def _is_id(self, chosen: Any) -> bool:
        try:
            self.choices.queryset.model._meta.pk.to_python(chosen)
        except ValidationError:
            return False
        return True


class OneRow(_Rows, AutocompleteSelect):
    """The field of a foreign key."""


class Rows(_Rows, AutocompleteSelectMultiple):
    """The field of a relation to many rows."""
