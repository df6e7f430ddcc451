"""The tables of `make bench` divide the right numbers."""

from benchmarks.report import Cost, Results, factors, table
from benchmarks.wrk import Result


def results(name: str, **rates: float) -> Results:
    """Return one run of each target: a rate, a p99 of twice and costs of a tenth of it."""
    return Results(
        name,
        "some requests",
        runs={target: [Result(1, rate, rate, 2 * rate)] for target, rate in rates.items()},
        costs={target: [Cost(rate / 10, rate / 20)] for target, rate in rates.items()},
    )


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_a_factor_is_the_first_target_divided_by_the_second() -> None:
    text = factors([results("W3", site=30, beside=20)], of="site", to="beside")
    assert cells(text)[2:] == [["W3", "1.50", "1.50", "1.50", "1.50"]]


def test_workloads_through_nginx_are_compared_with_those_without() -> None:
    both = [results("W1", site=10, beside=20), results("W1n", nginx=120)]
    text = factors(both, of="nginx", to="beside", pairs={"W1n": "W1", "W2n": "W2a"})
    assert cells(text)[2:] == [["W1n ÷ W1", "6.00", "6.00", "6.00", "6.00"]]


def test_a_target_that_lacks_a_workload_has_an_empty_cell() -> None:
    text = table([results("W3", site=30, peer=20), results("W8", site=10)])
    assert cells(text)[3] == ["W8 some requests", "10", "", "20.0", "", "1.00 + 0.50", ""]
