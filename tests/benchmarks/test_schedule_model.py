"""The simulation agrees with what can be said without it."""

from __future__ import annotations

import pytest

from benchmarks.schedule_model import Costs, Machines, simulate, smallest

ONE = Costs(start_s=1.0, rows_s=2.0, calls=10, call_s=0.1)


def test_one_run_takes_the_sum_of_its_parts() -> None:
    found = simulate(1, 60.0, Machines(servers=1, workers=1), ONE, spread=False)
    assert found.ended_s == pytest.approx(1.0 + 2.0 + 10 * 0.1)
    assert found.p50_s == pytest.approx(1.0 + 5 * 0.1)
    assert found.server_busy == pytest.approx(1.0 / 4.0)


def test_places_are_taken_one_after_the_other() -> None:
    found = simulate(6, 60.0, Machines(servers=8, workers=1, places=2), ONE, spread=False)
    assert found.ended_s == pytest.approx(3 * 4.0)
    assert found.places_busy == pytest.approx(1.0)


def test_a_server_that_is_the_limit_is_busy_all_the_time() -> None:
    costs = Costs(start_s=0.0, rows_s=0.0, calls=10, call_s=0.1)
    found = simulate(200, 60.0, Machines(servers=2, workers=50), costs, spread=False)
    assert found.ended_s == pytest.approx(200 * 10 * 0.1 / 2, rel=0.02)
    assert found.server_busy == pytest.approx(1.0, rel=0.02)


def test_what_is_spread_waits_for_nothing_where_there_is_enough() -> None:
    found = simulate(100, 1_000.0, Machines(servers=4, workers=4), ONE, spread=True)
    assert found.p95_s == pytest.approx(1.5, rel=0.01)


@pytest.mark.parametrize("spread", [True, False])
def test_what_is_said_to_be_enough_is_and_a_server_less_is_not(spread: bool) -> None:
    costs = Costs(start_s=0.5, rows_s=0.5, calls=10, call_s=0.05)
    machines, found = smallest(1_000, 200.0, costs, spread=spread)
    assert found.ended_s <= 200.0 * 1.01 + 1.5
    fewer = Machines(machines.servers - 1, machines.workers * 4, machines.places)
    assert simulate(1_000, 200.0, fewer, costs, spread=spread).ended_s > 200.0 * 1.01 + 1.5
