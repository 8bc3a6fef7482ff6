"""The notebook after its cells became modules: the same tour, with imports where the code was."""

from __future__ import annotations

import json
from copy import deepcopy
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from connector_kit.promote.drafts import defined_in, imports_of, used_by
from connector_kit.promote.modules import FUTURE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_kit.promote.cells import Notebook, NotebookCell

_WIDTH = 120


def rewritten(notebook: Notebook, modules: Mapping[str, tuple[str, bytes]]) -> bytes:
    """The file's content with the draft cells of these sections replaced; all else stays, in the order it had.

    Args:
        notebook: As it was read.
        modules: Section to the dotted name and the content of its module.
    """
    data = deepcopy(notebook.data)
    drafts = [cell for section in modules for cell in notebook.drafts(section)]
    staying = [cell for cell in notebook.cells if cell not in drafts]
    for cell in drafts:
        module, content = modules[cell.section]
        _replace(data["cells"][cell.number - 1], _imports(cell, module, staying), module, sha256(content).hexdigest())
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


def _replace(raw: dict[str, Any], source: str, module: str, digest: str) -> None:
    raw["source"] = source if isinstance(raw["source"], str) else source.splitlines(keepends=True)
    metadata = raw["metadata"]
    ordered = list(metadata) == sorted(metadata)
    metadata["nucleus"] = {"module": module, "sha256": digest}
    raw["metadata"] = dict(sorted(metadata.items())) if ordered else metadata
    # What the cell printed belonged to the code that is gone.
    raw["outputs"], raw["execution_count"] = [], None


def _imports(cell: NotebookCell, module: str, staying: Sequence[NotebookCell]) -> str:
    wanted = frozenset[str]().union(*map(used_by, staying))
    there = frozenset(each.name for one in staying for each in imports_of(one))
    brought = imports_of(cell)
    kept = sorted({each.statement for each in brought if each.name in wanted - there})
    # In a notebook it holds for every cell that follows.
    kept[:0] = [FUTURE.text] if FUTURE.text in cell.source.splitlines() else []
    defined = defined_in(cell) - {each.name for each in brought}
    names = sorted((name for name in defined if not name.startswith("_") or name in wanted), key=_rank)
    return "\n".join([*kept, _line(module, names)])


def _line(module: str, names: Sequence[str]) -> str:
    if not names:
        return f"import {module}"
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])


def _rank(name: str) -> tuple[int, str]:
    if name.isupper():
        return 0, name
    return (1 if name[:1].isupper() else 2), name
