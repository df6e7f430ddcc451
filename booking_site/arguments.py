"""Types for the options of management commands."""

from argparse import ArgumentTypeError


def at_least_one(text: str) -> int:
    """Parse a whole number of at least 1."""
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise ArgumentTypeError(f"{text!r} must be a whole number of at least 1")
    return int(text)
