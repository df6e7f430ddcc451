"""The path converter for ids: `<bigint:pk>`."""

# The largest integer that JavaScript represents exactly.
MAX_ID = 2**53 - 1


class BigIntConverter:
    """A decimal integer up to MAX_ID; anything else matches no route."""

    regex = "0|[1-9][0-9]{0,15}"

    def to_python(self, value: str) -> int:
        number = int(value)
        if number > MAX_ID:
            raise ValueError
        return number

    def to_url(self, value: int) -> str:
        return str(value)
