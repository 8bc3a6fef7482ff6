"""What a notebook's tagged cells hold: drafts of modules, or the modules that earlier drafts went to."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from connector_kit.promote.cells import CHAIN, PROMOTED, NotebookCell
from connector_kit.promote.drafts import Draft, Import, defined_in, draft_of, imports_of
from connector_kit.promote.modules import NameLookup, Section
from connector_kit.promote.problems import Problem, ProblemsFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_kit.promote.cells import Notebook
    from connector_kit.promote.layout import ConnectorLayout

_WANTED = {
    "system": "Write a subclass of connector_kit.checks.system.TestSystem in a cell tagged `system`: "
    "it tells the checks what they need to know of the system."
}


@dataclass(frozen=True)
class Sections:
    """A notebook, section by section.

    Attributes:
        drafts: Sections whose code is in the notebook.
        around: What the drafts' names are looked up in.
        edited: Modules of promoted sections that were changed since their promotion.
    """

    drafts: dict[str, Draft]
    around: NameLookup
    edited: tuple[str, ...]


def sections_of(notebook: Notebook, layout: ConnectorLayout) -> Sections:
    """Everything tagged in the notebook, taken apart.

    Raises:
        ProblemsFoundError: A section is missing, is half promoted, or a cell cannot become part of a module.
    """
    problems = [*_absent(notebook), *_mixed(notebook), *_gone(notebook, layout)]
    drafts: dict[str, Draft] = {}
    for section in PROMOTED:
        if cells := notebook.drafts(section):
            try:
                drafts[section] = draft_of(section, cells)
            except ProblemsFoundError as error:
                problems += error.problems
    if "system" in drafts and f"{layout.camel}TestSystem" not in drafts["system"].defined:
        problems.append(
            drafts["system"].cells[0].problem(0, f"there is no class `{layout.camel}TestSystem`", _WANTED["system"])
        )
    if problems:
        raise ProblemsFoundError(*problems)
    modules = {section: _module(notebook, layout, section) for section in PROMOTED if notebook.of(section)}
    known = {
        name: Section(dotted, drafts[name].defined if name in drafts else _names(layout, dotted))
        for name, dotted in modules.items()
    }
    edited = tuple(
        cell.promoted
        for cell in notebook.cells
        if cell.promoted and cell.section not in drafts and _edited(layout, cell)
    )
    around = NameLookup(known, tuple(_shared(notebook)), _elsewhere(notebook))
    return Sections(drafts, around, tuple(dict.fromkeys(edited)))


def _absent(notebook: Notebook) -> Iterator[Problem]:
    for section in (*CHAIN, "system"):
        if not notebook.of(section):
            yield Problem(0, 0, f"no cell is tagged `{section}`", _WANTED.get(section, f"Tag the {section}'s cell."))


def _mixed(notebook: Notebook) -> Iterator[Problem]:
    for section in PROMOTED:
        drafts = notebook.drafts(section)
        if drafts and len(drafts) < len(notebook.of(section)):
            module = next(cell.promoted for cell in notebook.of(section) if cell.promoted)
            what = f"the other cells of `{section}` are in {module} already"
            yield drafts[0].problem(0, what, f"Move this code to {module}, or bring all of it back into this notebook.")


def _gone(notebook: Notebook, layout: ConnectorLayout) -> Iterator[Problem]:
    for cell in notebook.cells:
        if cell.promoted and not layout.file(cell.promoted).exists():
            yield cell.problem(
                0, f"{cell.promoted} was promoted from here, and is gone", "Bring the file or the code back."
            )


def _module(notebook: Notebook, layout: ConnectorLayout, section: str) -> str:
    return next((cell.promoted for cell in notebook.of(section) if cell.promoted), None) or layout.dotted(section)


def _names(layout: ConnectorLayout, dotted: str) -> frozenset[str]:
    cell = NotebookCell(0, "", layout.file(dotted).read_text(encoding="utf-8"))
    return defined_in(cell) - {each.name for each in imports_of(cell)}


def _edited(layout: ConnectorLayout, cell: NotebookCell) -> bool:
    return sha256(layout.file(str(cell.promoted)).read_bytes()).hexdigest() != cell.sha256


def _shared(notebook: Notebook) -> Iterator[Import]:
    for cell in (*notebook.of("imports"), *(each for section in PROMOTED for each in notebook.of(section))):
        yield from imports_of(cell)


def _elsewhere(notebook: Notebook) -> dict[str, int]:
    cells: dict[str, int] = {}
    for cell in notebook.cells:
        if cell.section not in PROMOTED:
            names = defined_in(cell)
            if cell.section == "imports":
                names -= {each.name for each in imports_of(cell)}
            cells |= dict.fromkeys(names, cell.number)
    return cells
