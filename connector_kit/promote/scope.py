"""Which names a piece of module-level code binds, and which it takes from elsewhere.

Scopes are resolved by the compiler's own symbol table, so that a parameter or a local variable is never mistaken for a
name of another cell. Texts in type positions (annotations, ``cast``) hold names too; the syntax tree has those.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PRESENT = {*dir(builtins), "__file__", "__name__", "__doc__", "__package__", "__spec__"}


def bound(code: str) -> tuple[str, ...]:
    """Names that the code binds at the top, in order of name; imports count."""
    table = symtable.symtable(code, "<cell>", "exec")
    return tuple(sorted(symbol.get_name() for symbol in table.get_symbols() if _binds(symbol)))


def free(code: str) -> dict[str, int]:
    """Names that the code uses and neither binds nor finds among the builtins, with the line of the first use."""
    table = symtable.symtable(code, "<cell>", "exec")
    own = {symbol.get_name() for symbol in table.get_symbols() if _binds(symbol)}
    tree = ast.parse(code)
    used = {*_referenced(table), *(name.id for name in _names_in_texts(tree))}
    return {name: _first_line(tree, name) for name in sorted(used - own - _PRESENT)}


def _binds(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()


def _referenced(table: symtable.SymbolTable) -> Iterator[str]:
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (top or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _referenced(child)


def _names_in_texts(tree: ast.Module) -> Iterator[ast.Name]:
    for place in _type_positions(tree):
        for part in _parts_of_type(place):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield from _names_of(part)


def _type_positions(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield node.returns
        elif isinstance(node, ast.Call) and _called(node) == "cast" and node.args:
            yield node.args[0]


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _parts_of_type(node: ast.AST) -> Iterator[ast.AST]:
    # The texts of a Literal are values.
    if isinstance(node, ast.Subscript) and getattr(node.value, "id", getattr(node.value, "attr", "")) == "Literal":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _parts_of_type(child)


def _names_of(text: ast.Constant) -> list[ast.Name]:
    try:
        tree = ast.parse(str(text.value), mode="eval")
    except SyntaxError:  # not a type: the type checker says so, at its place
        return []
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    for name in names:
        name.lineno = text.lineno
    return names


def _first_line(tree: ast.Module, name: str) -> int:
    plain = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store)]
    return min((node.lineno for node in (*plain, *_names_in_texts(tree)) if node.id == name), default=0)
