"""The formulas of `make capacity`."""

from math import inf, isclose

from benchmarks.capacity import Call, Chain, needs, saturation, wait

CALL = Call(app=2, postgres=1, connection=5)


def test_the_busier_cores_limit_the_rate() -> None:
    assert saturation(CALL, app_cores=2, database_cores=4) == 1000
    assert saturation(CALL, app_cores=20, database_cores=4) == 4000


def test_the_wait_for_one_core_matches_the_m_m_1_formula() -> None:
    for load in (0.1, 0.5, 0.9):
        assert isclose(wait(load * 1000, 1, cores=1), load / (1 - load))


def test_the_wait_for_two_cores_matches_the_m_m_2_formula() -> None:
    for load in (0.1, 0.5, 0.9):
        assert isclose(wait(load * 2000, 1, cores=2), load**2 / (1 - load**2))


def test_the_wait_for_saturated_cores_is_infinite() -> None:
    assert wait(2000, 1, cores=2) == inf


def test_ten_times_the_screens_need_ten_times_the_cores() -> None:
    chain = Chain()
    small, large = needs(chain, 10_000), needs(chain, 100_000)
    assert isclose(large.bookings_per_second, 10 * small.bookings_per_second)
    # Up to the rounding to whole cores and servers.
    assert 0 <= 10 * small.database_cores - large.database_cores < 10
    assert 0 <= 10 * small.app_servers - large.app_servers < 10


def test_the_connections_suffice_for_old_and_new_servers_at_once() -> None:
    found = needs(Chain(), 10_000)
    assert found.max_connections > 2 * found.app_servers * found.pool_size
