"""The kit itself is tested: each planted bug is found by the check that is meant for it.

The suite plants one bug for each check; all are planted under `make prove`.
"""

from __future__ import annotations

import pytest

from connector_kit.checks.all_checks import CHECKS
from connector_kit.checks.run import run_check
from tests.architecture.rooms import ROOT
from tests.connector_kit.mutants import (
    planted,
    planted_faults,
    planted_misses,
    planted_parts,
    planted_sampled,
    planted_values,
)
from tests.exactness.executors import PROVE

pytestmark = pytest.mark.slow(0.4)

ALL = (
    *planted_parts.MUTANTS,
    *planted.MUTANTS,
    *planted_faults.MUTANTS,
    *planted_values.MUTANTS,
    *planted_misses.MUTANTS,
    *planted_sampled.MUTANTS,
)

ONE_FOR_EACH_CHECK = [*{mutant.check_id: mutant for mutant in ALL}.values()]


@pytest.mark.parametrize(
    "mutant", ALL if PROVE else ONE_FOR_EACH_CHECK, ids=lambda mutant: mutant.name.replace(" ", "-")
)
def test_a_planted_bug_is_found_by_the_check_meant_for_it(mutant, monkeypatch):
    mutant.plant(monkeypatch)
    with mutant.system_class() as system:
        result = run_check(system, CHECKS[mutant.check_id])
    assert result.verdict == "failed", f"{result.verdict}: {result.received} {result.reason}"


def test_every_check_can_fail():
    assert {mutant.check_id for mutant in ALL} == set(CHECKS)
    assert {mutant.check_id for mutant in ONE_FOR_EACH_CHECK} == set(CHECKS)
    assert f"{len(ALL)} in all" in (ROOT / "docs" / "conformance.md").read_text()
