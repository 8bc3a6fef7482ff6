"""A notebook executed as papermill does it, and what there is to see afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import papermill

ROOT = Path(__file__).parents[2]
LINES = 24
"""A cell of more lines is not taken in at a glance."""


def executed(path: Path, into: Path, parameters: dict[str, Any]) -> list[Any]:
    """The cells with their outputs; everything a cell printed is a failure."""
    done = papermill.execute_notebook(
        path, into / path.name, parameters, kernel_name="python3", cwd=ROOT, progress_bar=False
    )
    output_texts = [output.text for output in outputs(done.cells) if output.output_type == "stream"]
    assert output_texts == [], "a notebook shows things, and warns of nothing"
    return list(done.cells)


def outputs(cells: list[Any]) -> list[Any]:
    """What all cells show."""
    return [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]


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


def untidy(path: Path) -> list[str]:
    """Cells with outputs, and cells of the tour that are too long."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = [f"{cell.id} has outputs" for cell in code if cell.outputs or cell.execution_count is not None]
    tour = [cell for cell in code if not cell.metadata.get("tags")]
    return shown + [f"{cell.id} is long" for cell in tour if len(cell.source.splitlines()) > LINES]
