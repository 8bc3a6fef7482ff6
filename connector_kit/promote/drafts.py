"""The code of one section taken apart: docstring, imports, body; every line knows the cell it came from."""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from connector_kit.promote import scope
from connector_kit.promote.problems import Problem, ProblemsFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from connector_kit.promote.cells import NotebookCell

_ACTIONS = (ast.Expr, ast.For, ast.While, ast.With, ast.Delete, ast.Assert, ast.Raise, ast.AsyncFor, ast.AsyncWith)


class Line(NamedTuple):
    """A line of text, and where it stands in the notebook; cell 0 for what was made here."""

    text: str
    cell: int = 0
    number: int = 0


@dataclass(frozen=True)
class Import:
    """One import of one name.

    Attributes:
        name: What it binds.
        statement: ``import x`` or ``from x import y as z``.
        comment: What stood behind it, with its ``#``; empty where nothing did.
        typing_only: It stood under ``if TYPE_CHECKING``.
        module: What is imported from.
    """

    name: str
    statement: str
    module: str
    cell: int
    line: int
    comment: str = ""
    typing_only: bool = False

    @property
    def text(self) -> Line:
        """The statement as a line."""
        return Line(f"{self.statement}  {self.comment}".rstrip(), self.cell, self.line)


@dataclass(frozen=True)
class Draft:
    """A section's code."""

    section: str
    cells: tuple[NotebookCell, ...]
    docstring: tuple[Line, ...]
    imports: tuple[Import, ...]
    body: tuple[Line, ...]
    defined: frozenset[str] = field(default_factory=frozenset)
    """Names that the body binds."""

    @property
    def used(self) -> dict[str, Line]:
        """Names that the body takes from elsewhere, each with the line of its first use."""
        uses = scope.free("\n".join(line.text for line in self.body))
        return {name: self.body[number - 1] for name, number in uses.items()}

    @property
    def first(self) -> Line:
        """Where the section begins."""
        return Line("", self.cells[0].number, 1)


def draft_of(section: str, cells: Sequence[NotebookCell]) -> Draft:
    """The section's cells as one draft.

    Raises:
        ProblemsFoundError: A cell is no Python, does something instead of defining it, or imports ``*``.
    """
    pieces = [_taken_apart(cell, first=cell is cells[0]) for cell in cells]
    body = tuple(line for piece in pieces for line in (*piece.body, Line("")))
    return Draft(
        section,
        tuple(cells),
        pieces[0].docstring,
        tuple(each for piece in pieces for each in piece.imports),
        body,
        frozenset(scope.bound("\n".join(line.text for line in body))),
    )


def imports_of(cell: NotebookCell) -> tuple[Import, ...]:
    """The imports at the top of a cell; of a cell with notebook commands, those of its Python lines."""
    tree, source = _lenient(cell.source)
    return tuple(_imports(cell, tree.body, _comments(source)))


def defined_in(cell: NotebookCell) -> frozenset[str]:
    """What a cell outside the sections binds, imports included."""
    return frozenset(scope.bound(_lenient(cell.source)[1]))


def used_by(cell: NotebookCell) -> frozenset[str]:
    """What a cell outside the sections takes from other cells."""
    return frozenset(scope.free(_lenient(cell.source)[1]))


def _lenient(source: str) -> tuple[ast.Module, str]:
    lines = ["" if line.lstrip().startswith(("%", "!", "?")) else line for line in source.splitlines()]
    try:
        compile("\n".join(lines), "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        return ast.parse("\n".join(lines)), "\n".join(lines)
    except SyntaxError:  # a cell of the tour may be anything; it is not promoted
        return ast.Module([], []), ""


def _taken_apart(cell: NotebookCell, *, first: bool) -> Draft:
    tree, lines = _parsed(cell), cell.source.splitlines()
    docstring = tree.body[0] if ast.get_docstring(tree, clean=False) is not None else None
    problems = list(_unfit(cell, tree, docstring if first else None))
    if problems:
        raise ProblemsFoundError(*problems)
    taken = [node for node in tree.body if node is docstring or _is_import(node)]
    gone = {number for node in taken for number in _numbers(node)}
    body = [Line(text, cell.number, number) for number, text in enumerate(lines, 1) if number not in gone]
    return Draft(
        cell.section,
        (cell,),
        tuple(_lines(cell, docstring, lines)) if docstring else (),
        tuple(_imports(cell, tree.body, _comments(cell.source))),
        tuple(body),
    )


def _parsed(cell: NotebookCell) -> ast.Module:
    try:
        compile(cell.source, "<cell>", "exec", dont_inherit=True)
        return ast.parse(cell.source)
    except SyntaxError as error:
        fix = "Move notebook commands (%, !) to an untagged cell; correct the rest."
        raise ProblemsFoundError(cell.problem(error.lineno or 0, f"not Python: {error.msg}", fix)) from error


def _unfit(cell: NotebookCell, tree: ast.Module, docstring: ast.stmt | None) -> Iterator[Problem]:
    begun: set[int] = set()
    for node in tree.body:
        if isinstance(node, _ACTIONS) and node is not docstring:
            what = f"a cell tagged `{cell.section}` does something instead of defining it"
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                yield cell.problem(node.lineno, "a string that is no docstring", "Make it a comment.")
            else:
                yield cell.problem(node.lineno, what, "Move the statement to an untagged cell.")
        if node.lineno in begun:
            yield cell.problem(node.lineno, "two statements on one line", "Give each its own line.")
        begun.add(node.end_lineno or node.lineno)
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            yield cell.problem(node.lineno, f"imports everything of {node.module}", "Import the names that are used.")
        if isinstance(node, ast.ImportFrom) and node.level:
            yield cell.problem(node.lineno, "a relative import", "Write the module's full name.")


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom) or _typing_block(node)


def _typing_block(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
        and not node.orelse
        and all(isinstance(each, ast.Import | ast.ImportFrom) for each in node.body)
    )


def _imports(
    cell: NotebookCell, nodes: Iterable[ast.stmt], comments: dict[int, str], *, typing_only: bool = False
) -> Iterator[Import]:
    for node in nodes:
        if isinstance(node, ast.If) and _typing_block(node):
            yield from _imports(cell, node.body, comments, typing_only=True)
        elif isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", "") != "__future__":
            comment = "  ".join(comments[n] for n in _numbers(node) if n in comments)
            for alias in node.names:
                yield _import(cell, node, alias, comment, typing_only=typing_only)


def _import(
    cell: NotebookCell, node: ast.Import | ast.ImportFrom, alias: ast.alias, comment: str, *, typing_only: bool
) -> Import:
    spelled = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
    origin = node.module or "" if isinstance(node, ast.ImportFrom) else ""
    return Import(
        name=alias.asname or (alias.name if origin else alias.name.partition(".")[0]),
        statement=f"from {origin} import {spelled}" if origin else f"import {spelled}",
        module=origin or alias.name,
        cell=cell.number,
        line=node.lineno,
        comment=comment,
        typing_only=typing_only,
    )


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def _lines(cell: NotebookCell, node: ast.stmt, lines: Sequence[str]) -> Iterator[Line]:
    for number in _numbers(node):
        yield Line(lines[number - 1], cell.number, number)


def _numbers(node: ast.stmt) -> list[int]:
    # Of a typing block the comments between its imports stay.
    if isinstance(node, ast.If):
        return [node.lineno, *(number for each in node.body for number in _numbers(each))]
    return list(range(node.lineno, (node.end_lineno or node.lineno) + 1))
