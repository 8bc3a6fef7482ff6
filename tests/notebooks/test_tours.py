"""Every tour runs from top to bottom against the sandboxes, and shows something worth looking at."""

from __future__ import annotations

import nbformat
import papermill
import pytest

from tests.notebooks.shown import ROOT, dull, executed, outputs, untidy
from tests.selection import require_mariadb

TOURS = sorted((ROOT / "notebooks" / "tours").glob("*.ipynb"))
STAGES = {"plan", "export", "stage", "map", "upsert"}
named = pytest.mark.parametrize("tour", TOURS, ids=lambda path: path.stem)


def test_each_connector_and_each_stage_has_a_tour():
    connectors = {path.parent.name for path in (ROOT / "connectors").glob("*/config.py")}
    prototypes = {path.stem for path in (ROOT / "notebooks" / "prototypes").glob("*.ipynb")}
    tours = {path.stem for path in TOURS}
    assert (connectors | STAGES) - tours - prototypes == set()
    assert tours - connectors - STAGES == set(), "a tour of something that is not there any more"


@named
def test_it_runs(tour, addresses, tmp_path):
    asked = {name: addresses[name] for name in parameters(tour)}
    cells = executed(tour, tmp_path, asked)
    kept = [value for name, value in asked.items() if secret(name, value)]
    assert [value for value in kept if value in str(outputs(cells))] == []
    assert dull(cells) == []


def parameters(tour):
    """Skips where they name a server that is not installed."""
    found = papermill.inspect_notebook(tour)
    if "mysql_url" in found:
        require_mariadb()
    return found


def secret(name: str, value: str) -> bool:
    """Whether it is more than an address or an id."""
    public = name.endswith(("_tenant", "_client_id", "_drive_ids"))
    return not public and not value.startswith("http://") and "@example" not in value


def test_a_dull_step_would_be_seen():
    step = nbformat.v4.new_markdown_cell("## Look\n\nat this.")
    shown = nbformat.v4.new_output("execute_result", {"text/html": "<p>this</p>"})
    bright = nbformat.v4.new_code_cell("this", outputs=[shown])
    assert dull([step, bright]) == []
    assert dull([step, nbformat.v4.new_code_cell("1")]) == ["## Look"]
    assert dull([step, bright, step]) == ["## Look"]


@named
def test_it_is_committed_without_outputs(tour):
    assert untidy(tour) == []


@named
def test_it_finds_its_addresses_in_the_environment(tour, addresses, monkeypatch):
    for name, value in addresses.items():
        monkeypatch.setenv(name.upper(), value)
    asked = parameters(tour)
    assert asked
    found: dict[str, str] = {}
    exec("import os\n" + "\n".join(f"{name} = {one['default']}" for name, one in asked.items()), found)  # noqa: S102
    assert {name: found[name] for name in asked} == {name: addresses[name] for name in asked}
