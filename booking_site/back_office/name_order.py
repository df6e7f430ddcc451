"""The order of lists in the back office that are sorted by a column of texts."""

from typing import Any

from booking_site.back_office.filters import OfferedFilters
from booking_site.postgres.sort_keys import SortKeyField
from booking_site.postgres.words import folded
from booking_site.typed_text import TypedText


class NameOrder(OfferedFilters):
    """Sorts texts by their stored sort key or, if they have none, without case and accents."""

    def get_ordering_field(self, field_name: Any) -> Any:
        found = super().get_ordering_field(field_name)
        fields = {field.name: field for field in self.lookup_opts.fields}
        if not isinstance(found, str) or not isinstance(fields.get(found), TypedText):
            return found
        key = fields.get("sort_key")
        if isinstance(key, SortKeyField) and key.source == found:
            return key.name
        return folded(found)
