"""Room layouts as text: one line per row, front to back, that a person can type.

    A  ..SSSS..SSSS..

A label, blanks, then one cell per place: `S` standard, `P` premium,
`W` wheelchair, `C` companion, `.` nothing.
"""


def validate_layout(text: str) -> None:
    """Raise ValidationError, naming line and column, unless `text` is a layout."""
