"""What a notebook's tagged cells hold: drafts of modules, or the modules that earlier drafts went to."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from connector_kit.promote.cells import CHAIN, PROMOTED, Cell
from connector_kit.promote.drafts import Draft, Import, defined_in, draft_of, imports_of
from connector_kit.promote.modules import Section, Surroundings
from connector_kit.promote.problems import Problem, ProblemsFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_kit.promote.cells import Notebook
    from connector_kit.promote.home import Home

_WANTED = {
    "lab": "Write a subclass of connector_kit.checks.lab.Lab in a cell of that tag: the system, as checks see it."
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
    around: Surroundings
    edited: tuple[str, ...]


def sections_of(notebook: Notebook, home: Home) -> Sections:
    """Everything tagged in the notebook, taken apart.

    Raises:
        ProblemsFoundError: A section is missing, is half promoted, or a cell cannot become part of a module.
    """
    problems = [*_absent(notebook), *_mixed(notebook), *_gone(notebook, home)]
    drafts: dict[str, Draft] = {}
    for section in PROMOTED:
        if cells := notebook.drafts(section):
            try:
                drafts[section] = draft_of(section, cells)
            except ProblemsFoundError as error:
                problems += error.problems
    if "lab" in drafts and f"{home.camel}Lab" not in drafts["lab"].defined:
        problems.append(drafts["lab"].cells[0].problem(0, f"there is no class `{home.camel}Lab`", _WANTED["lab"]))
    if problems:
        raise ProblemsFoundError(*problems)
    modules = {section: _module(notebook, home, section) for section in PROMOTED if notebook.of(section)}
    known = {
        name: Section(dotted, drafts[name].defined if name in drafts else _names(home, dotted))
        for name, dotted in modules.items()
    }
    edited = tuple(
        cell.promoted for cell in notebook.cells if cell.promoted and cell.section not in drafts and _edited(home, cell)
    )
    around = Surroundings(known, tuple(_shared(notebook)), _elsewhere(notebook))
    return Sections(drafts, around, tuple(dict.fromkeys(edited)))


def _absent(notebook: Notebook) -> Iterator[Problem]:
    for section in (*CHAIN, "lab"):
        if not notebook.of(section):
            yield Problem(0, 0, f"no cell is tagged `{section}`", _WANTED.get(section, f"Tag the {section}'s cell."))


def _mixed(notebook: Notebook) -> Iterator[Problem]:
    for section in PROMOTED:
        drafts = notebook.drafts(section)
        if drafts and len(drafts) < len(notebook.of(section)):
            module = next(cell.promoted for cell in notebook.of(section) if cell.promoted)
            what = f"the other cells of `{section}` are in {module} already"
            yield drafts[0].problem(0, what, f"Move this code to {module}, or bring all of it back into this notebook.")


def _gone(notebook: Notebook, home: Home) -> Iterator[Problem]:
    for cell in notebook.cells:
        if cell.promoted and not home.file(cell.promoted).exists():
            yield cell.problem(
                0, f"{cell.promoted} was promoted from here, and is gone", "Bring the file or the code back."
            )


def _module(notebook: Notebook, home: Home, section: str) -> str:
    return next((cell.promoted for cell in notebook.of(section) if cell.promoted), None) or home.dotted(section)


def _names(home: Home, dotted: str) -> frozenset[str]:
    cell = Cell(0, "", home.file(dotted).read_text(encoding="utf-8"))
    return defined_in(cell) - {each.name for each in imports_of(cell)}


def _edited(home: Home, cell: Cell) -> bool:
    return sha256(home.file(str(cell.promoted)).read_bytes()).hexdigest() != cell.sha256


def _shared(notebook: Notebook) -> Iterator[Import]:
    for cell in (*notebook.of("imports"), *(each for section in PROMOTED for each in notebook.of(section))):
        yield from imports_of(cell)


def _elsewhere(notebook: Notebook) -> dict[str, int]:
    found: dict[str, int] = {}
    for cell in notebook.cells:
        if cell.section not in PROMOTED:
            names = defined_in(cell)
            if cell.section == "imports":
                names -= {each.name for each in imports_of(cell)}
            found |= dict.fromkeys(names, cell.number)
    return found
