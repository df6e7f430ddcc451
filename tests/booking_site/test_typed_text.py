"""The function that validates every text that a person types."""

import pytest
from django.core.exceptions import ValidationError

from booking_site.typed_text import clean_text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ada Lovelace",
        "!!!",
        "李雷 🦁",
        "❤\ufe0f",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "क्\u200dष",
        "രാജന്\u200d",
        "Ada\u00a0Lovelace",
    ],
)
def test_a_visible_text_is_returned_as_it_is(text):
    assert clean_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "\u3164",
        "\u115f\u1160\uffa0",
        "\u2800",
        "\U00013441 \U0001d159",
        "\u0301",
        "\u3000",
        "Ada\u2028Lovelace",
        "Ada\u2029Lovelace",
        "Ada\x00",
        "Ada\nLovelace",
        "Ada\tLovelace",
        "\u202eecalevoL",
        "Ada\u200b",
        "\ufeffAda",
        "A\u00adda",
        "\u200cAda",
        "Ada\u200d",
        "Ada \u200cLovelace",
        "🦁\u200d🦁",
    ],
)
def test_a_text_with_invisible_characters_is_refused(text):
    with pytest.raises(ValidationError):
        clean_text(text)


def test_a_text_of_several_lines_may_have_line_breaks_and_tabs_only():
    text = "First line.\r\n\tSecond line.\n"
    assert clean_text(text, multiline=True) == text
    for character in "\u2028\u202e\x0b\x00":
        with pytest.raises(ValidationError):
            clean_text(f"a{character}b", multiline=True)


def test_a_decomposed_text_is_composed():
    assert clean_text("Ame\u0301lie") == "Am\u00e9lie"


def test_the_refused_character_is_named_with_its_position():
    with pytest.raises(ValidationError) as refusal:
        clean_text("Ada\u202e")
    assert refusal.value.params == {"code": "202E", "position": 4}
