"""Drafts become the text of modules: each import goes where its name is used, names of other sections are imported.

A section may use names of the sections before it (config, client, units, source); a test system may use all four. A
mapper imports no connector, so it uses its own names only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connector_kit.promote.cells import CHAIN
from connector_kit.promote.drafts import Import, Line
from connector_kit.promote.problems import Problem, ProblemsFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from connector_kit.promote.drafts import Draft

FUTURE = Line("from __future__ import annotations")
_TYPING = Line("from typing import TYPE_CHECKING")


@dataclass(frozen=True)
class Section:
    """What others may know of a section: its module, and the names that the module binds."""

    module: str
    names: frozenset[str]


@dataclass(frozen=True)
class NameLookup:
    """What a draft's names are looked up in.

    Attributes:
        sections: Every section, draft or promoted.
        shared: Imports of all tagged cells, those of the ``imports`` cells first.
        elsewhere: Names that other cells bind, each with the number of its cell.
    """

    sections: Mapping[str, Section]
    shared: Sequence[Import]
    elsewhere: Mapping[str, int] = field(default_factory=dict)


def below(section: str) -> tuple[str, ...]:
    """Sections whose names a section may use, the nearest first."""
    if section == "mapper":
        return ()
    order = (*CHAIN, "system")
    return tuple(reversed(order[: order.index(section)]))


def assembled(draft: Draft, around: NameLookup) -> tuple[Line, ...]:
    """The lines of the draft's module, in need of formatting; imports stand one to a line.

    Raises:
        ProblemsFoundError: Names that nothing binds, or that may not be used here.
    """
    imports = _resolved(draft, around)
    runtime = [each.text for each in imports if not each.typing_only]
    typed = [Line(f"    {each.text.text}", each.cell, each.line) for each in imports if each.typing_only]
    block = (_TYPING, Line(""), Line("if TYPE_CHECKING:"), *typed) if typed else ()
    return (*draft.docstring, Line(""), FUTURE, Line(""), *runtime, *block, Line(""), Line(""), *draft.body)


def _resolved(draft: Draft, around: NameLookup) -> list[Import]:
    problems = list(_upward_imports(draft, around))
    imports: dict[str, Import] = {}
    for name, line in draft.used.items():
        chosen = _lookup(draft, around, name, line)
        problems += [] if chosen else [_unresolved(draft, around, name, line)]
        imports.update({each.statement: each for each in chosen})
    if problems:
        raise ProblemsFoundError(*problems)
    return sorted(imports.values(), key=lambda each: each.statement)


def _lookup(draft: Draft, around: NameLookup, name: str, line: Line) -> list[Import]:
    own = [each for each in draft.imports if each.name == name]
    if own:
        return own
    for section in below(draft.section):
        module, names = around.sections[section].module, around.sections[section].names
        if name in names:
            return [Import(name, f"from {module} import {name}", module, line.cell, line.number)]
    if name == "TYPE_CHECKING":
        return [Import(name, _TYPING.text, "typing", line.cell, line.number)]
    return [each for each in around.shared if each.name == name and _may(draft, around, each)]


def _may(draft: Draft, around: NameLookup, one: Import) -> bool:
    return one.module not in _forbidden(draft, around)


def _forbidden(draft: Draft, around: NameLookup) -> dict[str, str]:
    allowed = (draft.section, *below(draft.section))
    return {section.module: name for name, section in around.sections.items() if name not in allowed}


def _upward_imports(draft: Draft, around: NameLookup) -> Iterator[Problem]:
    forbidden = _forbidden(draft, around)
    for each in draft.imports:
        if each.module in forbidden:
            yield Problem(each.cell, each.line, *_upward(draft.section, each.name, forbidden[each.module]))


def _unresolved(draft: Draft, around: NameLookup, name: str, line: Line) -> Problem:
    for section, one in around.sections.items():
        if name in one.names:
            return Problem(line.cell, line.number, *_upward(draft.section, name, section))
    if name in around.elsewhere:
        what = f"`{name}` comes from cell {around.elsewhere[name]}, which does not become a module"
        fix = "Define it in a cell with a tag, or import it in a cell tagged `imports`."
        return Problem(line.cell, line.number, what, fix)
    return Problem(line.cell, line.number, f"`{name}` is defined nowhere", "Define it, or import it in the cell.")


def _upward(section: str, name: str, owner: str) -> tuple[str, str]:
    if section == "mapper":
        what = f"a mapper uses `{name}` of `{owner}`, and mappers import no connector"
        return what, "Take what is needed from the frame's columns and the context."
    if owner not in CHAIN:
        return f"`{section}` uses `{name}` of `{owner}`", f"Move what both need to a cell tagged `{section}`."
    what = f"`{section}` uses `{name}` of `{owner}`, and the order is {' <- '.join(CHAIN)}"
    return what, f"Move `{name}` to `{section}` or before it, or hand it in as a parameter."


def text_of(lines: Iterable[Line]) -> str:
    """The lines as a file's text."""
    return "\n".join(line.text for line in lines).strip("\n") + "\n"
