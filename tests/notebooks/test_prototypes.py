"""Every prototype of a connector runs from top to bottom, and again from its recorded traffic, where it has some."""

from __future__ import annotations

import papermill
import pytest

from tests.notebooks.shown import ROOT, dull, executed, untidy

pytestmark = pytest.mark.notebook

KEPT = ROOT / "tests" / "connector_kit" / "worked_example" / "openshelf.ipynb"
PROTOTYPES = sorted((ROOT / "notebooks" / "prototypes").glob("*.ipynb"))
TAPED = [path for path in PROTOTYPES if (path.with_suffix("") / "tour.jsonl").exists()]
QUICK = {"groups": ["catalog"]}
"""The suite makes all checks anyway: a connector's test is every one of them."""


def stem(path):
    return path.stem


@pytest.mark.parametrize("prototype", PROTOTYPES, ids=stem)
def test_it_runs(prototype, tmp_path):
    wanted = QUICK | {"traffic": "live"}  # nothing is written into the repository
    given = {name: value for name, value in wanted.items() if name in papermill.inspect_notebook(prototype)}
    assert dull(executed(prototype, tmp_path, given)) == []


@pytest.mark.parametrize("prototype", TAPED, ids=stem)
def test_it_runs_without_its_system(prototype, tmp_path):
    assert dull(executed(prototype, tmp_path, QUICK | {"traffic": "replay"})) == []


@pytest.mark.parametrize("prototype", [*PROTOTYPES, KEPT], ids=stem)
def test_it_is_committed_without_outputs(prototype):
    assert untidy(prototype) == []
