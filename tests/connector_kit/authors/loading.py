"""An author's cells as a module, without a promotion: what a notebook that was run has in memory."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from connector_kit.template.new import TEMPLATE
from tests.connector_kit.authors import apis
from tests.connector_kit.authors.cells import AUTHORED

if TYPE_CHECKING:
    import pytest


def authored_module(name: str, patch: pytest.MonkeyPatch) -> ModuleType:
    """The module; it is importable, too, until the patch ends."""
    cells = {cell["id"]: "".join(cell["source"]) for cell in json.loads(TEMPLATE.read_text())["cells"]}
    cells |= AUTHORED[name].cells
    module = ModuleType(f"authored_{name}")
    patch.setitem(sys.modules, module.__name__, module)
    patch.setitem(sys.modules, "apis", apis)
    for cell in ("imports", "config", "client", "units", "source", "checks"):
        code = f"from __future__ import annotations\n{cells[cell]}"
        exec(compile(code, f"{name}:{cell}", "exec"), vars(module))  # noqa: S102 - as a notebook does
    return module
