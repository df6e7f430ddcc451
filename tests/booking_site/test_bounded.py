"""What a process keeps for later is limited."""

from booking_site.bounded import Bounded


def test_what_was_written_longest_ago_is_forgotten_first() -> None:
    kept: Bounded[str, int] = Bounded(2)
    kept["a"], kept["b"] = 1, 2
    kept["a"] = 3  # anew, so it is younger than b
    kept["c"] = 4
    assert dict(kept) == {"a": 3, "c": 4}
