"""The kit itself is tested: each planted bug is found by the check that is meant for it.

The suite plants one bug for each check; all are planted under `make prove`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from connector_kit.checks.all_checks import CHECKS
from connector_kit.checks.run import run_check
from tests.connector_kit.mutants import planted, planted_faults, planted_misses, planted_values
from tests.exactness.executors import PROVE

pytestmark = pytest.mark.slow(0.4)

ALL = (*planted.MUTANTS, *planted_faults.MUTANTS, *planted_values.MUTANTS, *planted_misses.MUTANTS)


def some(most: int) -> list[Any]:
    """At most so many mutants of each check, the latest first."""
    taken: Counter[str] = Counter()
    chosen = []
    for mutant in reversed(ALL):
        taken[mutant.check_id] += 1
        if taken[mutant.check_id] <= most:
            chosen.append(mutant)
    return chosen


@pytest.mark.parametrize("mutant", ALL if PROVE else some(1), ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_planted_bug_is_found_by_the_check_meant_for_it(mutant, monkeypatch):
    mutant.plant(monkeypatch)
    with mutant.system_class() as system:
        result = run_check(system, CHECKS[mutant.check_id])
    assert result.verdict == "failed", f"{result.verdict}: {result.received} {result.reason}"


def test_every_check_can_fail():
    assert {mutant.check_id for mutant in ALL} == set(CHECKS)
    assert {mutant.check_id for mutant in some(1)} == set(CHECKS)
    assert len(ALL) >= 150
