"""Texts that people type: names, titles, descriptions, reasons.

`clean_text` validates all of them. Model fields and form fields call it.
"""

import unicodedata
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

# Control and format characters (such as a right-to-left override), line and paragraph separators.
REFUSED = {"Cc", "Cf", "Zl", "Zp"}
LINE_BREAKS = "\t\n\r"
# Letters and symbols without a visible shape: Hangul fillers, the empty Braille pattern, blank
# hieroglyphs, the null notehead.
BLANK = "\u115f\u1160\u2800\u3164\uffa0\U00013441\U00013442\U0001d159"
# Persian and Indic names need these two format characters.
JOINERS = "\u200c\u200d"
VIRAMA = 9  # the combining class of signs after which a joiner may end a word


def clean_text(text: str, *, multiline: bool = False) -> str:
    """Return the text in Unicode's composed form (NFC). Raise `ValidationError`.

    A text must be empty or contain a visible character. The only invisible characters that it may
    contain are spaces, joiners between letters and, if `multiline`, tabs and line breaks.
    """
    text = unicodedata.normalize("NFC", text)
    for index, character in enumerate(text):
        if unicodedata.category(character) not in REFUSED:
            continue
        if multiline and character in LINE_BREAKS:
            continue
        if character in JOINERS and _joins(text, index):
            continue
        raise ValidationError(
            _("Remove the invisible character U+%(code)s at position %(position)s."),
            code="invisible_character",
            params={"code": f"{ord(character):04X}", "position": index + 1},
        )
    if text and is_blank_text(text):
        raise ValidationError(_("Enter at least one visible character."), code="nothing_visible")
    return text


def is_blank_text(text: str) -> bool:
    """Return whether the text contains no visible character."""
    return not any(map(_is_visible, text))


def refuse_link(name: str) -> None:
    """Raise `ValidationError` if the name of a person contains a link: mails contain the name."""
    if "://" in name:
        raise ValidationError(_("A name cannot contain a link."), code="link")


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNPS" and character not in BLANK


def _joins(text: str, index: int) -> bool:
    """Return whether the joiner at the index stands between letters, or after a virama."""
    before, after = text[index - 1 : index], text[index + 1 : index + 2]
    if not _is_letter(before):
        return False
    return _is_letter(after) or unicodedata.combining(before) == VIRAMA


def _is_letter(character: str) -> bool:
    return character != "" and unicodedata.category(character)[0] in "LM"


class LineFormField(forms.CharField):
    """One line that a person types."""

    def to_python(self, value: Any) -> Any:
        typed = super().to_python(value)
        return clean_text(typed) if isinstance(typed, str) else typed


if TYPE_CHECKING:
    Column = models.Field[Any, str]
    LineColumn = models.CharField[Any, str]
    TextColumn = models.TextField[Any, str]
else:  # not generic at run time
    Column, LineColumn, TextColumn = models.Field, models.CharField, models.TextField


class TypedText(Column):
    """A column of texts that `clean_text` validates."""

    multiline = False

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        typed = self.to_python(value)
        if typed:
            typed = clean_text(typed, multiline=self.multiline)
        return super().clean(typed, model_instance)

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        super().validate(value, model_instance)
        if value:  # an array of texts validates its items, but does not clean them
            clean_text(value, multiline=self.multiline)


class LineField(TypedText, LineColumn):
    """One line that a person types."""

    def formfield(self, **kwargs: Any) -> Any:
        # An array does not clean its items (see `validate`), but its form field does.
        return super().formfield(**{"form_class": LineFormField, **kwargs})


class MultilineField(TypedText, TextColumn):
    """A text of several lines that a person types."""

    multiline = True
