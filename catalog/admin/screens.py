"""Screens in the back office: the layout is edited as text, or in the drawing beside it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from catalog.admin.drawing import draw
from catalog.admin.exchange import ImportExportAdmin
from catalog.exchange.tables import ScreenTable
from catalog.layouts import (
    CATEGORIES,
    EMPTY,
    MAX_ROWS,
    MAX_SEATS_PER_ROW,
    LayoutError,
    format_layout,
    parse_layout,
    rows_by_seats,
)
from catalog.models import Screen


class LayoutEditor(forms.Textarea):
    """A text area beside a drawing of the room that can be edited too; errors are marked."""

    class Media:
        css = {"all": ["back_office/layouts.css"]}
        js = [
            forms.Script(f"back_office/{name}.js", defer=True)
            for name in ("layout_text", "layout_grid", "layout_editor")
        ]

    def __init__(self) -> None:
        plain = {"spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}
        super().__init__({"rows": 16, "wrap": "off", **plain})

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        textarea = super().render(name, value, attrs, renderer)
        context = {
            "textarea": textarea,
            "max_rows": MAX_ROWS,
            "max_seats": MAX_SEATS_PER_ROW,
            "kinds": [*CATEGORIES.items(), (EMPTY, "empty")],
            "start": format_layout(rows_by_seats(rows=8, seats_per_row=12)),
        }
        return render_to_string("catalog/admin/layout_editor.html", context | _preview(value or ""))


def _preview(text: str) -> dict[str, Any]:
    """Return the drawn room, or the layout's problems; neither for an empty text."""
    if not text.strip():
        return {}
    try:
        layout = parse_layout(text)
    except LayoutError as error:
        return {"problems": error.problems}
    return {"drawn": draw(layout.places), "size": layout.size}


class ScreenForm(forms.ModelForm):  # type: ignore[type-arg] # not generic at run time
    # Not stripped: errors count its lines and columns, and an empty line is an aisle.
    layout = forms.CharField(widget=LayoutEditor, required=False, strip=False)

    class Meta:
        model = Screen
        fields = ("theatre", "name", "turnaround_minutes", "layout")


@admin.register(Screen)
class ScreenAdmin(ImportExportAdmin[Screen]):
    table = ScreenTable
    theatre_path = "theatre"
    form = ScreenForm
    list_display = ("name", "theatre", "room", "turnaround")
    list_filter = (("theatre", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("theatre",)
    search_fields = ("name", "theatre__name")
    search_help_text = "Name of the screen or of its theatre"
    autocomplete_fields = ("theatre",)

    @admin.display(description="turnaround", ordering="turnaround_minutes")
    def turnaround(self, screen: Screen) -> str:
        return f"{screen.turnaround_minutes} min"

    @admin.display(description="room")
    def room(self, screen: Screen) -> str:
        layout = screen.parsed_layout
        return f"{layout.size} seats in {len(layout.rows)} rows" if layout else "no layout yet"
