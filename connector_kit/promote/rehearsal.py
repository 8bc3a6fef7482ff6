"""The checks of a connector, wherever it is: promoted already, or still in its notebook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from connector_kit.checks.labs import Card, cards_in
from connector_kit.promote.home import home_of
from connector_kit.promote.problems import ProblemsFoundError, refusal
from connector_kit.promote.promotion import rehearse
from connector_kit.template.new import FOLDER
from contracts.errors import ConfigInvalidError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def objections(root: Path, name: str) -> Callable[[str], list[str]]:
    """What a promotion asks before it writes: the failures of every check, over the connector as it would be."""
    module = home_of(root, name).dotted("lab")
    return lambda shadow: [said for card in cards_in(Path(shadow), module) for said in card.failures]


def scorecards(name: str, root: Path, only: Sequence[str] = ()) -> list[Card]:
    """Scorecards of the connector's labs.

    Args:
        name: Of the connector. Its modules are checked if they are there, else ``notebooks/prototypes/<name>.ipynb``.
        root: The repository.
        only: Ids of checks or names of groups; all when empty.

    Raises:
        ConfigInvalidError: There is neither, or it has no lab that works.
        PromotionRefusedError: The notebook cannot become modules as it is.
    """
    try:
        home = home_of(root, name)
    except ProblemsFoundError as error:
        raise refusal(name, error.problems) from None
    if home.file(home.dotted("source")).exists() or home.file(home.dotted("lab")).exists():
        return cards_in(root, home.dotted("lab"), only)
    notebook = root / FOLDER / f"{name}.ipynb"
    if not notebook.exists():
        raise ConfigInvalidError(
            f"There is neither a connector {home.package} nor a notebook {notebook}",
            f"Begin one: nucleus connector new {name}",
            name=name,
        )
    found: list[Card] = []
    rehearse(notebook, root, lambda shadow: found.extend(cards_in(Path(shadow), home.dotted("lab"), only)))
    return found
