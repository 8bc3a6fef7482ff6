"""The template runs as it is, and what it makes of itself passes the suite for sources over an API."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from connector_kit.promote.promotion import promote
from connector_kit.template.new import TEMPLATE, new
from contracts.errors import ConfigInvalidError
from tests.connector_kit.promote.authored_notebook import ROOT, run
from tests.exactness.executors import PROVE

pytestmark = pytest.mark.slow(5)

REST = ("connector_kit", "flows", "knowledge", "sandbox", "staging", "state")
QUICK = {"groups = ()": 'groups = (\\"plan\\",)'}
"""All checks run once, over the promoted connector (test_author.py); runs of the notebook need only some."""


@pytest.fixture
def whole(root):
    """The repository with every room that a notebook or a test of a connector uses."""
    for room in REST:
        shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "conformance", root / "tests" / "conformance")
    return root


def with_parameters(path, name, changes):
    """The notebook under another name, with other parameters."""
    text = path.read_text()
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    other = path.with_name(f"{name}.ipynb")
    other.write_text(text)
    return other


def test_a_notebook_of_that_name_is_made(root):
    path = new("night_owl", root)
    assert path == root / "notebooks" / "prototypes" / "night_owl.ipynb"
    assert path.with_suffix("").is_dir()
    source = path.read_text()
    assert "acme" not in source.lower()
    for name in (
        "class NightOwlConfig(",
        "http.night_owl",
        "NIGHT_OWL_TOKEN",
        "night_owl.books",
        'describe(\\"night_owl\\"',
    ):
        assert name in source
    made, template = json.loads(source), json.loads(TEMPLATE.read_text())
    assert [cell["id"] for cell in made["cells"]] == [cell["id"] for cell in template["cells"]]
    assert len({cell["id"] for cell in made["cells"]}) == len(made["cells"])


@pytest.mark.parametrize("name", ["Acme", "no-module", "", "../up", "import"])
def test_a_name_that_is_none_is_refused(root, name):
    with pytest.raises(ConfigInvalidError, match="cannot be the name"):
        new(name, root)
    assert not (root / "notebooks").exists()


def test_nothing_is_written_over(root):
    path = new("owl", root)
    before = path.read_bytes()
    for taken in ("owl", "jira"):
        with pytest.raises(ConfigInvalidError, match="is there already"):
            new(taken, root)
    assert path.read_bytes() == before


def test_the_template_runs_and_again_from_its_traffic(whole):
    path = new("night_owl", whole)
    run(whole, with_parameters(path, "night_owl", QUICK))
    cassette = (path.with_suffix("") / "tour.jsonl").read_text()
    assert "/v1/books" in cassette
    assert "shelf-" not in cassette
    nobody = 'base_url = \\"http://127.0.0.1:9\\"'  # nobody answers there, and nobody is asked
    replay = {'traffic = \\"record\\"': 'traffic = \\"replay\\"', 'base_url = \\"\\"': nobody}
    run(whole, with_parameters(path, "replayed", replay))


def test_the_template_is_promoted_and_passes_the_suite(whole):
    path = new("night_owl", whole)
    done = promote(path, whole, check=None)
    assert "connectors/night_owl/source.py" in done.written
    assert not promote(path, whole, check=None).changed
    run(whole, with_parameters(path, "promoted", QUICK))
    for arguments in (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["pytest", "-q", "tests/connectors/night_owl", *(() if PROVE else ("-k", "plan or capabilities"))],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=whole, env=os.environ | {"PYTHONPATH": str(whole)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
