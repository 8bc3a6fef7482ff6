"""A notebook as it lies on disk, and which of its cells belong to which section.

A notebook is JSON (nbformat 4: ``cells``, each with ``cell_type``, ``metadata.tags`` and ``source`` as text or lines).
What is needed here is to read those keys and to give everything else back as it was. The standard library does that;
``nbformat`` would be one more package to install for it, and would reorder keys on the way.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector_kit.promote.problems import Problem, ProblemsFoundError

if TYPE_CHECKING:
    from pathlib import Path

CHAIN = ("config", "client", "units", "source")
"""Sections that become modules of the connector; each may use names of those before it."""
PROMOTED = (*CHAIN, "mapper", "system")
"""Sections whose cells become modules."""
KNOWN = (*PROMOTED, "imports", "parameters")


@dataclass(frozen=True)
class NotebookCell:
    """A code cell.

    Attributes:
        number: FieldLocation among all cells of the notebook, from 1.
        section: Its tag of :data:`KNOWN`, or empty for a cell of the tour.
        source: Its text.
        promoted: The module that its code went to, where that happened before; None for a draft.
        sha256: Of that module's file, as it was written then.
    """

    number: int
    section: str
    source: str
    promoted: str | None = None
    sha256: str = ""

    def problem(self, line: int, what: str, fix: str) -> Problem:
        """A problem of this cell."""
        return Problem(self.number, line, what, fix)


@dataclass(frozen=True)
class Notebook:
    """A notebook that was read; ``data`` is its JSON and belongs to whoever rewrites it."""

    path: Path
    data: dict[str, Any]
    cells: tuple[NotebookCell, ...]

    def of(self, section: str) -> tuple[NotebookCell, ...]:
        """The cells of a section in order."""
        return tuple(cell for cell in self.cells if cell.section == section)

    def drafts(self, section: str) -> tuple[NotebookCell, ...]:
        """The cells of a section whose code is in the notebook."""
        return tuple(cell for cell in self.of(section) if cell.promoted is None)


def read(path: Path) -> Notebook:
    """The notebook of that path.

    Raises:
        ProblemsFoundError: It is missing, is no notebook of format 4, or a cell has several section tags.
    """
    data = _json(path)
    if not isinstance(data, dict) or data.get("nbformat") != 4 or not isinstance(data.get("cells"), list):
        raise ProblemsFoundError(Problem(0, 0, f"{path} is no notebook of format 4", "Save it with a current Jupyter."))
    code = [(number, raw) for number, raw in enumerate(data["cells"], 1) if raw.get("cell_type") == "code"]
    return Notebook(path, data, tuple(_cell(number, raw) for number, raw in code))


def text_of(raw: dict[str, Any]) -> str:
    """A cell's text; in the file it is one text or a list of lines."""
    source = raw.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def replacement(module: str, source: str) -> bool:
    """True when the text is what a promotion left: imports, of the module among others."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return False
    named = [name for each in statements for name in _imported_modules(each)]
    return module in named and all(isinstance(each, ast.Import | ast.ImportFrom) for each in statements)


def _imported_modules(statement: ast.stmt) -> list[str | None]:
    if isinstance(statement, ast.ImportFrom):
        return [statement.module]
    return [alias.name for alias in statement.names] if isinstance(statement, ast.Import) else []


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProblemsFoundError(Problem(0, 0, f"there is no notebook {path}", "Name the .ipynb file.")) from None
    except ValueError as error:
        raise ProblemsFoundError(Problem(0, 0, f"{path} cannot be read: {error}", "Save it from Jupyter.")) from error


def _cell(number: int, raw: dict[str, Any]) -> NotebookCell:
    metadata = raw.get("metadata", {})
    sections = [tag for tag in metadata.get("tags", ()) if tag in KNOWN]
    if len(sections) > 1:
        what = f"the cell is tagged {' and '.join(sections)}"
        raise ProblemsFoundError(Problem(number, 0, what, "Split it: a cell goes to one module."))
    section = sections[0] if sections else ""
    source, mark = text_of(raw), metadata.get("nucleus") or {}
    module = mark.get("module")
    went = module if module and replacement(module, source) else None
    return NotebookCell(number, section, source, went, mark.get("sha256", ""))
