"""Reads and writes the numbering of a row in a layout's text.

`<2+2` numbers the seats 2, 4, 6 and so on from the right, `>2+2` from the left. The first number
and the step default to 1. `[1,2,4,5]` lists the numbers from the left.
"""

import re
from collections.abc import Sequence

_NUMBER = r"[1-9][0-9]{0,3}"
_STEPS = re.compile(rf"([<>])({_NUMBER})?(?:\+([1-9][0-9]?))?")
_LIST = re.compile(rf"\[ *{_NUMBER}(?: *, *{_NUMBER})* *\]")
MAX_STEP = 99


def check_numbering(text: str) -> None:
    """Raise ValueError, with a message for the user, unless `text` is a numbering or empty."""
    if text and not (_STEPS.fullmatch(text) or _LIST.fullmatch(text)):
        raise ValueError("Number the seats like <2+2 (from the right), >2+2 or [1,2,4,5].")


def read_numbers(text: str, count: int) -> list[int]:
    """Return the numbers of `count` seats from the left: 1, 2, 3 and so on if `text` is empty.

    Raise ValueError, with a message for the user.
    """
    check_numbering(text)
    if not text:
        return list(range(1, count + 1))
    if steps := _STEPS.fullmatch(text):
        direction, first, step = steps.groups()
        numbers = [int(first or 1) + int(step or 1) * index for index in range(count)]
        return numbers if direction == ">" else numbers[::-1]
    numbers = [int(number) for number in re.findall(_NUMBER, text)]
    for index, number in enumerate(numbers):
        if number in numbers[:index]:
            raise ValueError(f"Number {number} is listed twice. List one number for each seat.")
    if len(numbers) != count:
        raise ValueError(f"List one number for each seat: seats {count}, numbers {len(numbers)}.")
    return numbers


def write_numbers(numbers: Sequence[int]) -> str:
    """Return the shortest text that `read_numbers` reads as these numbers."""
    if list(numbers) == list(range(1, len(numbers) + 1)):
        return ""
    first, last = numbers[0], numbers[-1]
    step = (last - first) // (len(numbers) - 1) if len(numbers) > 1 else 1
    if 1 <= abs(step) <= MAX_STEP:
        start = f">{first}" if step > 0 else f"<{last}"
        text = start if abs(step) == 1 else f"{start}+{abs(step)}"
        if read_numbers(text, len(numbers)) == list(numbers):
            return text
    return f"[{','.join(map(str, numbers))}]"
