"""Openshelf is what its prototype says: promoted again, the kept notebook gives the connector, file by file.

Who changes a module of the example changes its cell, too, or this fails.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from connector_kit.promote.promotion import promote
from tests.connector_kit.promote.authored_notebook import ROOT, repository, run

pytestmark = pytest.mark.slow(5)

KEPT = Path(__file__).with_name("worked_example") / "openshelf.ipynb"
PROTOTYPE = "notebooks/prototypes/openshelf.ipynb"
MODULES = tuple(f"connectors/openshelf/{name}.py" for name in ("__init__", "config", "client", "units", "source"))
TESTS = ("tests/connectors/openshelf/system.py", "tests/connectors/openshelf/test_openshelf.py")
CASSETTE = "tests/connectors/openshelf/cassettes/tour.jsonl"
REGISTRY = "connectors/registry.py"
REST = ("connector_kit", "flows", "knowledge", "sandbox", "staging", "state")
UNKNOWN = '        "http.openshelf": "connectors.openshelf.source:FACTORY",\n'


def said(root: Path, names: tuple[str, ...]) -> dict[str, str]:
    return {name: (root / name).read_text() for name in names}


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """The repository as it was when the notebook was not yet promoted."""
    root = repository(tmp_path_factory.mktemp("worked") / "repository")
    for room in REST:
        shutil.copytree(ROOT / room, root / room)
    shutil.rmtree(root / "connectors" / "openshelf")
    registry = root / REGISTRY
    assert UNKNOWN in registry.read_text()
    registry.write_text(registry.read_text().replace(UNKNOWN, ""))
    shutil.copytree((ROOT / PROTOTYPE).with_suffix(""), (root / PROTOTYPE).with_suffix(""))
    shutil.copy(KEPT, root / PROTOTYPE)
    (root / CASSETTE).parent.mkdir(parents=True)
    (root / CASSETTE).touch()  # a test that plays it is there: a promotion keeps it new
    return root


@pytest.fixture(scope="module")
def promoted(before):
    """The repository after the promotion, and what it did."""
    draft = (before / PROTOTYPE).with_name("draft.ipynb")
    draft.write_text((before / PROTOTYPE).read_text().replace("groups = ()", 'groups = (\\"plan\\",)'))
    run(before, draft)
    return before, promote(before / PROTOTYPE, before, check=None)


def test_the_connector_is_what_its_notebook_became(promoted):
    root, done = promoted
    wanted = (*MODULES, *TESTS, CASSETTE, REGISTRY, PROTOTYPE)
    assert set(done.written) >= set(wanted)
    assert said(root, wanted) == said(ROOT, wanted)


def test_nothing_else_is_in_its_folder():
    assert {path.name for path in (ROOT / "connectors" / "openshelf").glob("*.py")} == {
        Path(one).name for one in MODULES
    }


def test_the_tour_is_the_same_before_and_after():
    kept, promoted = (json.loads(path.read_text())["cells"] for path in (KEPT, ROOT / PROTOTYPE))
    assert [cell["id"] for cell in kept] == [cell["id"] for cell in promoted]
    changed = {old["id"] for old, new in zip(kept, promoted, strict=True) if old != new}
    assert changed == {"config", "client", "units", "source", "system"}


def test_again_nothing_is_promoted(promoted):
    root, _ = promoted
    assert not promote(root / PROTOTYPE, root, check=None).changed
