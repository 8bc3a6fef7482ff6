"""Every tour runs from top to bottom against the sandboxes, and shows something worth looking at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest

ROOT = Path(__file__).parents[2]
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
    asked = {name: addresses[name] for name in papermill.inspect_notebook(tour)}
    done = papermill.execute_notebook(
        tour, tmp_path / tour.name, asked, kernel_name="python3", cwd=ROOT, progress_bar=False
    )
    outputs = [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    said = [output.text for output in outputs if output.output_type == "stream"]
    assert said == [], "a tour shows things, and warns of nothing"
    kept = [value for value in asked.values() if secret(value)]
    assert [value for value in kept if value in str(outputs)] == []
    assert dull(done.cells) == []


def secret(value: str) -> bool:
    """Whether it is more than an address."""
    return not value.startswith("http://") and "@example" not in value


def dull(cells: list[Any]) -> list[str]:
    """Headings below which nothing is shown."""
    found, heading = [], ""
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            found.append(heading)
            heading = cell.source.partition("\n")[0]
        elif cell.cell_type == "code" and any("text/html" in output.get("data", {}) for output in cell.outputs):
            heading = ""
    return [one for one in [*found, heading] if one]


def test_a_dull_step_would_be_seen():
    step = nbformat.v4.new_markdown_cell("## Look\n\nat this.")
    shown = nbformat.v4.new_output("execute_result", {"text/html": "<p>this</p>"})
    bright = nbformat.v4.new_code_cell("this", outputs=[shown])
    assert dull([step, bright]) == []
    assert dull([step, nbformat.v4.new_code_cell("1")]) == ["## Look"]
    assert dull([step, bright, step]) == ["## Look"]


@named
def test_it_is_committed_without_outputs(tour):
    notebook = nbformat.read(tour, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert [cell.id for cell in code if len(cell.source.splitlines()) > 24] == [], "a cell is taken in at a glance"


@named
def test_it_finds_its_addresses_in_the_environment(tour, addresses, monkeypatch):
    for name, value in addresses.items():
        monkeypatch.setenv(name.upper(), value)
    asked = papermill.inspect_notebook(tour)
    assert asked
    found: dict[str, str] = {}
    exec("import os\n" + "\n".join(f"{name} = {one['default']}" for name, one in asked.items()), found)  # noqa: S102
    assert {name: found[name] for name in asked} == {name: addresses[name] for name in asked}
