"""Lines that make a connector known: in the two tables of our repository, or in another's ``pyproject.toml``.

The files are written by people, so only the one entry is put in, at its place in the order; everything else stays
byte for byte. What cannot be edited so is refused with the line to write.
"""

from __future__ import annotations

import ast
import json
import tomllib
from typing import TYPE_CHECKING

from connector_kit.promote.problems import Problem, ProblemsFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "nucleus.connectors"
_TABLE = f'[project.entry-points."{GROUP}"]'


def with_connector(text: str, template_id: str, path: str) -> str:
    """``connectors/registry.py`` with the template in ``BUILT_IN``, in order of template ids.

    Raises:
        ProblemsFoundError: Another connector has the template id, or the table is not a plain dictionary.
    """
    table = _table(text, "connectors/registry.py")
    if not isinstance(table, ast.Dict):
        raise _not_editable("connectors/registry.py", f"{_quoted(template_id)}: {_quoted(path)}")
    there = _plain(table)
    if template_id in there:
        return _same(text, template_id, there[template_id], path)
    return _entered(text, table, template_id, f"{_quoted(template_id)}: {_quoted(path)},")


def with_mapper(text: str, family: str, kind: str, model: str, path: str) -> str:
    """``cdm_mappers/registry.py`` with the mapper in ``BUILT_IN``, after what is there.

    Raises:
        ProblemsFoundError: There is another mapper of that unit and model, or the table cannot be edited.
    """
    key = f"MapperKey(source_family={_quoted(family)}, unit_kind={_quoted(kind)}, cdm_model_id={_quoted(model)})"
    table = _table(text, "cdm_mappers/registry.py")
    entry = f"{key}: {_quoted(path)},"
    if isinstance(table, ast.DictComp):
        # The table is one comprehension: it is unpacked into a dictionary that can hold single entries too.
        whole = ast.get_source_segment(text, table) or ""
        begin = _offset(text, table.lineno, table.col_offset)
        return f"{text[:begin]}{{\n        **{whole},\n        {entry}\n    }}{text[begin + len(whole) :]}"
    if not isinstance(table, ast.Dict):
        raise _not_editable("cdm_mappers/registry.py", entry)
    for node, value in zip(table.keys, table.values, strict=True):
        if node is not None and ast.unparse(node) == ast.unparse(ast.parse(key, mode="eval")):
            return _same(text, f"{kind} as {model}", ast.literal_eval(value), path)
    return _entered(text, table, None, entry)


def with_entry_point(text: str, template_id: str, path: str) -> str:
    """A ``pyproject.toml`` with the template among the entry points of the group, in order of template ids.

    Raises:
        ProblemsFoundError: Another connector has the template id, or the table is spelled in a way that adding one
            line does not do.
    """
    before = tomllib.loads(text)
    there = before.get("project", {}).get("entry-points", {}).get(GROUP, {})
    if template_id in there:
        return _same(text, template_id, there[template_id], path)
    line = f"{_quoted(template_id)} = {_quoted(path)}"
    made = _line_added(text, template_id, line)
    wanted = before.get("project", {}).get("entry-points", {}) | {GROUP: {**there, template_id: path}}
    try:
        done = tomllib.loads(made)
    except tomllib.TOMLDecodeError:
        done = {}
    if done != before | {"project": before.get("project", {}) | {"entry-points": wanted}}:
        raise _not_editable("pyproject.toml", f"{_TABLE} {line}")
    return made


def _line_added(text: str, template_id: str, line: str) -> str:
    lines = text.splitlines()
    if _TABLE not in [each.strip() for each in lines]:
        return text.rstrip("\n") + f"\n\n{_TABLE}\n{line}\n"
    at = [each.strip() for each in lines].index(_TABLE) + 1
    while at < len(lines) and _before(lines[at], template_id):
        at += 1
    return "\n".join([*lines[:at], line, *lines[at:]]) + "\n"


def _before(line: str, template_id: str) -> bool:
    name = line.partition("=")[0].strip().strip("\"'")
    return bool(name) and not line.lstrip().startswith("[") and (name.startswith("#") or name < template_id)


def _table(text: str, file: str) -> ast.expr:
    for node in ast.parse(text).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "BUILT_IN":
            call = node.value
            if isinstance(call, ast.Call) and len(call.args) == 1:
                return call.args[0]
    raise _not_editable(file, "BUILT_IN")


def _plain(table: ast.Dict) -> dict[str, str]:
    pairs = zip(table.keys, table.values, strict=True)
    return {ast.literal_eval(key): ast.literal_eval(value) for key, value in pairs if isinstance(key, ast.Constant)}


def _entered(text: str, table: ast.Dict, name: str | None, entry: str) -> str:
    lines = text.splitlines(keepends=True)
    later = [key.lineno for key in _constants(table) if name is not None and str(key.value) > name]
    at = (later[0] if later else table.end_lineno or 0) - 1
    if table.lineno == table.end_lineno:
        raise _not_editable("BUILT_IN", entry)
    return "".join([*lines[:at], f"        {entry}\n", *lines[at:]])


def _constants(table: ast.Dict) -> Iterator[ast.Constant]:
    yield from (key for key in table.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def _same(text: str, name: str, there: object, path: str) -> str:
    if there == path:
        return text
    what = f"{name!r} is registered already, as {there!r}"
    raise ProblemsFoundError(Problem(0, 0, what, "Give this one another name, or take the other out."))


def _not_editable(file: str, entry: str) -> ProblemsFoundError:
    return ProblemsFoundError(Problem(0, 0, f"{file} is not in the form that can be edited", f"Write it in: {entry}"))


def _offset(text: str, line: int, column: int) -> int:
    lines = text.splitlines(keepends=True)[: line - 1]
    return sum(map(len, lines)) + len(text.splitlines()[line - 1].encode()[:column].decode())


def _quoted(value: str) -> str:
    return json.dumps(value)
