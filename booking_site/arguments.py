"""Types of the options of management commands."""

from argparse import ArgumentTypeError


def at_least_one(text: str) -> int:
    """Read a whole number from 1 on."""
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise ArgumentTypeError(f"{text!r}: give a whole number from 1 on")
    return int(text)
