"""The path converter for ids: `<bigint:pk>`."""

MAX_BIGINT = 2**63 - 1


class BigIntConverter:
    """A decimal integer that fits PostgreSQL's bigint; anything else matches no route."""

    regex = "0|[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        number = int(value)
        if number > MAX_BIGINT:
            raise ValueError
        return number

    def to_url(self, value: int) -> str:
        return str(value)
