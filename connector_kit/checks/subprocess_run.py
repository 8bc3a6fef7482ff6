"""The test systems of a module, found; and the checks run over them in a process that imports from another folder."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector_kit.checks.check import TRY_IT
from connector_kit.checks.coverage import coverage_of
from connector_kit.checks.run import run_checks
from connector_kit.checks.system import TestSystem
from contracts.errors import ConfigInvalidError

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT_S = 900.0


@dataclass(frozen=True)
class WrittenScorecard:
    """A scorecard that another process made.

    Attributes:
        good: No check failed, and no core check stayed untried.
        json: See :meth:`connector_kit.checks.scorecard.Scorecard.json`.
        html: A page.
        text: A table.
    """

    good: bool
    json: str
    html: str
    text: str

    @property
    def failures(self) -> list[str]:
        """What is not good, a sentence each: what was sent, received and expected; or why it was not tried."""
        return [_failure(each) for each in json.loads(self.json)["findings"] if not each["good"]]


def _failure(finding: dict[str, str]) -> str:
    name = f"{finding['check']} ({finding['title']})"
    if finding["verdict"] == "untried":
        return f"{name}: not tried, because {finding['reason']}. {TRY_IT}"
    return f"{name}: sent {finding['sent']}; received {finding['received']}; expected {finding['expected']}"


def test_systems_of(module: str) -> list[type[TestSystem]]:
    """The test systems that the module defines and that name a unit, in order of definition.

    Raises:
        ConfigInvalidError: There is none.
    """
    loaded = importlib.import_module(module)
    kinds = [each for each in vars(loaded).values() if inspect.isclass(each) and issubclass(each, TestSystem)]
    failures = [
        each for each in kinds if each.__module__ == module and hasattr(each, "unit_id") and hasattr(each, "factory")
    ]
    if not failures:
        raise ConfigInvalidError(
            f"{module} defines no test system",
            "Write a subclass of connector_kit.checks.system.TestSystem with factory and unit_id there.",
        )
    return failures


def check_in_subprocess(root: Path, module: str, only: Sequence[str] = ()) -> list[WrittenScorecard]:
    """Scorecards of the module's test systems, one each; modules are imported from ``root`` first.

    Raises:
        ConfigInvalidError: The module cannot be imported, or the checks came to no end; the error says why.
    """
    with tempfile.TemporaryDirectory() as folder:
        _run(root, module, "connector_kit.checks", folder, *only)
        return [_card(Path(folder), number) for number in range(len(list(Path(folder).glob("*.json"))))]


def record_in_subprocess(root: Path, module: str, cassette: Path, only: Sequence[str] = ()) -> list[dict[str, Any]]:
    """As :func:`check_in_subprocess`, see :mod:`connector_kit.checks.record`; the traffic is kept in ``cassette``.

    Returns:
        For each test system ``{live, differences, exchanges, text}``; ``live`` is a scorecard's JSON.

    Raises:
        ConfigInvalidError: As above, or a secret would be in the cassette.
    """
    with tempfile.TemporaryDirectory() as folder:
        _run(root, module, "connector_kit.checks.record", folder, str(cassette), *only)
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(folder).glob("*.json"))]


def _run(root: Path, module: str, program: str, *arguments: str) -> None:
    command = [sys.executable, "-m", program, module, *arguments]
    # A third party's modules may be below src, which is not yet installed for a connector that is still a notebook.
    paths = [str(root / "src"), *filter(None, [os.environ.get("PYTHONPATH")])] if (root / "src").is_dir() else []
    found = {"PYTHONPATH": os.pathsep.join(paths)} if paths else {}
    try:
        done = subprocess.run(
            command,
            cwd=root,
            env=os.environ | found,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        raise ConfigInvalidError(
            f"The checks of {module} took more than {LIMIT_S:.0f} s", "Make its system smaller."
        ) from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise ConfigInvalidError(
            f"The checks of {module} could not be run: {' '.join(last)}", "Correct the test system."
        )


def write_scorecards(module: str, folder: Path, only: Sequence[str]) -> None:
    """What the process does: ``<number>.json``, ``.html`` and ``.txt`` for each system.

    When all checks are made, the first scorecard says, too, whether every unit has a test system.
    """
    kinds = test_systems_of(module)
    for number, kind in enumerate(kinds):
        with kind() as system:
            card = run_checks(system, only or None)
            if not number and not only:
                system.reset()
                card = replace(card, results=(*card.results, coverage_of(module, kinds, system)))
        for suffix, text in (("json", card.json()), ("html", card.html()), ("txt", card.text())):
            (folder / f"{number}.{suffix}").write_text(text, encoding="utf-8")


def _card(folder: Path, number: int) -> WrittenScorecard:
    data, page, text = ((folder / f"{number}.{kind}").read_text(encoding="utf-8") for kind in ("json", "html", "txt"))
    return WrittenScorecard(bool(json.loads(data)["good"]), data, page, text)
