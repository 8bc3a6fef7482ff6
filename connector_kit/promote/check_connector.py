"""The checks of a connector, wherever it is: promoted already, or still in its notebook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from connector_kit.checks.subprocess_run import WrittenScorecard, check_in_subprocess, record_in_subprocess
from connector_kit.promote.layout import layout_of
from connector_kit.promote.problems import Problem, ProblemsFoundError, refusal
from connector_kit.promote.promotion import build_only
from connector_kit.recording.places import CHECKS, PROTOTYPES
from contracts.errors import ConfigInvalidError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class PromotionChecks:
    """What a promotion asks before it writes: every check, over the connector as it would be.

    Args:
        root: The repository.
        name: Of the connector.

    Attributes:
        headlines: A line for each test system that was checked: what it is, and how many checks ended how.
    """

    def __init__(self, root: Path, name: str) -> None:
        self._module = layout_of(root, name).dotted("system")
        self.headlines: tuple[str, ...] = ()

    def __call__(self, shadow: str) -> list[str]:
        """What is not good, of all test systems of the module in ``shadow``."""
        cards = check_in_subprocess(Path(shadow), self._module)
        self.headlines = tuple(card.text.partition("\n")[0] for card in cards)
        return [failure for card in cards for failure in card.failures]


class CheckedConnector(NamedTuple):
    """A scorecard for each test system, and what else a promotion would be refused for (lint, types)."""

    scorecards: list[WrittenScorecard]
    notes: tuple[Problem, ...] = ()


def checked(name: str, root: Path, only: Sequence[str] = ()) -> CheckedConnector:
    """The connector's test systems, checked.

    Args:
        name: Of the connector. Its modules are checked if they are there, else ``notebooks/prototypes/<name>.ipynb``.
        root: The repository.
        only: Ids of checks or names of groups; all when empty.

    Raises:
        ConfigInvalidError: There is neither, or it has no test system that works.
        PromotionRefusedError: The notebook cannot become modules as it is.
    """
    cards: list[WrittenScorecard] = []
    notes = _with_modules(name, root, lambda place, module: cards.extend(check_in_subprocess(place, module, only)))
    return CheckedConnector(cards, notes)


def recorded(name: str, root: Path, only: Sequence[str] = ()) -> tuple[Path, list[dict[str, Any]]]:
    """The checks against the live system, with their traffic kept beside the notebook.

    Args:
        name: As of :func:`checked`.
        root: The repository.
        only: Ids of checks or names of groups; all when empty.

    Returns:
        The cassette, and for each test system what :func:`record_in_subprocess` says.

    Raises:
        ConfigInvalidError: As of :func:`checked`, or a secret would be in the cassette.
        PromotionRefusedError: The notebook cannot become modules as it is.
    """
    path = root / PROTOTYPES / name / f"{CHECKS}.jsonl"
    done: list[dict[str, Any]] = []
    _with_modules(name, root, lambda place, module: done.extend(record_in_subprocess(place, module, path, only)))
    return path, done


def _with_modules(name: str, root: Path, look: Callable[[Path, str], None]) -> tuple[Problem, ...]:
    """Let ``look`` see the repository with the connector in it, and the module of its test systems."""
    try:
        layout = layout_of(root, name)
    except ProblemsFoundError as error:
        raise refusal(name, error.problems) from None
    if layout.file(layout.dotted("source")).exists() or layout.file(layout.dotted("system")).exists():
        look(root, layout.dotted("system"))
        return ()
    notebook = root / PROTOTYPES / f"{name}.ipynb"
    if not notebook.exists():
        raise ConfigInvalidError(
            f"There is neither a connector {layout.package} nor a notebook {notebook}",
            f"Start one: nucleus connector new {name}",
            name=name,
        )
    return build_only(notebook, root, lambda shadow: look(Path(shadow), layout.dotted("system")))
