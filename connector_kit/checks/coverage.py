"""Whether every unit of a connector has a test system: what is not read by a check is not checked."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING

from connector_kit.checks.check import CheckResult
from connector_kit.checks.context import CheckContext
from connector_kit.checks.system import TestSystem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHECK = "catalog.test-systems"
_TITLE = "Every unit has a test system, or a written reason why not"
_LAB = """class {name}({base}):
    unit_id = "{unit}"
    pages = PageLocation("/path/of/{short}", PageShape("data", next="next"))
    fields = {{}}"""


def coverage_of(module: str, kinds: Sequence[type[TestSystem]], system: TestSystem) -> CheckResult:
    """Compare the connector's units with those of its test systems.

    Args:
        module: Where the test systems are; modules beside it with ``system`` in their name count, too.
        kinds: Of the module, in order.
        system: One of them: its connector is asked for its units.
    """
    with CheckContext(system).connected() as one:
        units = sorted(unit.unit_id for unit in one.source.list_units(one.source.collect_catalog("checked")))
    everywhere = [*kinds, *_beside(module)]
    reasons = {unit: reason for kind in everywhere for unit, reason in kind.unchecked.items()}
    missing = [unit for unit in units if unit not in reasons and unit not in {kind.unit_id for kind in everywhere}]
    return CheckResult(
        check=CHECK,
        group="catalog",
        title=_TITLE,
        protects="I1",
        verdict="failed" if missing else "passed",
        sent=f"{len(units)} units: {', '.join(units)}",
        received=f"no test system for {', '.join(missing)}" if missing else "a test system or a reason for each",
        expected=_proposal(missing[0], kinds[0]) if missing else "a test system or a reason for each",
    )


def _proposal(unit: str, base: type[TestSystem]) -> str:
    short = unit.rpartition(".")[2]
    camel = "".join(word.capitalize() for word in short.split("_"))
    name = base.__name__.replace("TestSystem", f"{camel}TestSystem")
    lab = _LAB.format(name=name, base=base.__name__, unit=unit, short=short)
    return f"in the cell `system`, or `unchecked = {{{unit!r}: <why>}}` in {base.__name__}:\n{lab}"


def _beside(module: str) -> Iterator[type[TestSystem]]:
    package, _, own = module.rpartition(".")
    if not package:
        return
    for found in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if "system" in found.name and found.name != own:
            loaded = importlib.import_module(f"{package}.{found.name}")
            for kind in vars(loaded).values():
                if inspect.isclass(kind) and issubclass(kind, TestSystem) and hasattr(kind, "unit_id"):
                    yield kind
