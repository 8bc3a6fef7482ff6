"""What the new modules declare when Python imports them: their template and their units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector_kit.promote.problems import ProblemsFoundError
from connector_kit.promote.tools import ToolMessage, run_program

if TYPE_CHECKING:
    from pathlib import Path

    from connector_kit.promote.layout import ConnectorLayout
    from connector_kit.promote.source_map import SourceMap

_PROGRAM = """
import importlib, json, sys, traceback

def facts(package):
    units = importlib.import_module(f"{package}.units")
    source = importlib.import_module(f"{package}.source")
    if not hasattr(source, "FACTORY"):
        return {"missing": "FACTORY"}
    one = source.FACTORY.descriptor
    source.FACTORY.config_class.model_rebuild(force=True)
    bound = [
        [unit.name, getattr(unit, "kind", None) or f"{one.vendor}.{unit.name}", unit.cdm_model_id]
        for unit in getattr(units, "UNITS", ())
        if getattr(unit, "cdm_model_id", None)
    ]
    return {"template_id": one.template_id, "family": one.family, "title": one.title, "bound": bound}

try:
    answer = facts(sys.argv[1])
except BaseException as error:
    frames = traceback.extract_tb(error.__traceback__)
    answer = {"error": f"{type(error).__name__}: {error}", "frames": [[each.filename, each.lineno] for each in frames]}
print()
print(json.dumps(answer))
"""


@dataclass(frozen=True)
class Binding:
    """A unit that is mapped to a common model."""

    unit: str
    kind: str
    model: str

    @property
    def family(self) -> str:
        """``work`` of ``cdm.work.item``."""
        return self.model.split(".")[1] if self.model.count(".") > 1 else self.model


@dataclass(frozen=True)
class ConnectorFacts:
    """What ``FACTORY.descriptor`` and ``UNITS`` say."""

    template_id: str
    family: str
    title: str
    bound: tuple[Binding, ...]


def connector_facts(tree: Path, layout: ConnectorLayout, source_map: SourceMap) -> ConnectorFacts:
    """Import the connector in a process of its own and ask it.

    Raises:
        ProblemsFoundError: It cannot be imported, has no ``FACTORY``, or its config class is incomplete.
    """
    try:
        answer = run_program(tree, _PROGRAM, layout.package)
    except RuntimeError as error:
        raise ProblemsFoundError(source_map.problem_in_text(f"importing it {error}", "Correct the cell.")) from error
    if "missing" in answer:
        fix = "Write FACTORY = source_only(DESCRIPTOR, <the config class>, <the source class>)."
        raise ProblemsFoundError(source_map.problem(ToolMessage(layout.path("source"), 1, "there is no FACTORY", fix)))
    if "error" in answer:
        raise ProblemsFoundError(source_map.problem(_failed(tree, layout, answer["error"], answer["frames"])))
    bound = tuple(Binding(*each) for each in answer["bound"])
    return ConnectorFacts(answer["template_id"], answer["family"], answer["title"], bound)


def _failed(tree: Path, layout: ConnectorLayout, error: str, frames: list[tuple[str, int]]) -> ToolMessage:
    what = f"importing it fails: {error}"
    below = [
        (name.removeprefix(f"{tree}/"), line) for name, line in frames if name.startswith(f"{tree}/{layout.folder}/")
    ]
    if below:
        return ToolMessage(*below[-1], what, "Correct the cell.")
    fix = "A field's type must be there at run time: add the class's parent to ruff's runtime-evaluated-base-classes."
    return ToolMessage(layout.path("config"), 1, what, fix)
