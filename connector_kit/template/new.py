"""A notebook for a new connector: a copy of ``template.ipynb`` under the connector's name.

The template is a notebook that runs, so that it can be opened, executed and checked as it is: a small connector named
``acme``. Its name is the only thing that a copy changes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from connector_kit.promote.layout import layout_of
from connector_kit.promote.problems import ProblemsFoundError
from connector_kit.recording.places import PROTOTYPES
from contracts.errors import ConfigInvalidError

TEMPLATE = Path(__file__).with_name("template.ipynb")
_NAME = re.compile(r"acme", re.IGNORECASE)


def new(name: str, root: Path) -> Path:
    """Make ``notebooks/prototypes/<name>.ipynb`` and the folder ``<name>/`` beside it for recorded traffic.

    Args:
        name: Of the connector, as a module is named; ``http.<name>`` will be its template id.
        root: The repository: ours, or a third party's with a ``pyproject.toml``.

    Returns:
        The notebook's path.

    Raises:
        ConfigInvalidError: The name cannot be a connector's or is taken, or the repository could not register it.
    """
    path = root / PROTOTYPES / f"{name}.ipynb"
    try:
        home = layout_of(root, name)
    except ProblemsFoundError as error:
        first = error.problems[0]
        raise ConfigInvalidError(f"No connector can be made: {first.what}", first.fix, name=name) from None
    for taken in (path, root / home.folder):
        if taken.exists():
            raise ConfigInvalidError(f"{taken} is there already", "Choose another name, or go on there.", name=name)
    notebook = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    path.with_suffix("").mkdir(parents=True, exist_ok=True)
    # Keeps the folder in version control while it is empty.
    (path.with_suffix("") / ".gitkeep").touch()
    path.write_text(json.dumps(_named(notebook, name), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _named(part: Any, name: str) -> Any:
    if isinstance(part, dict):
        return {key: _named(value, name) for key, value in part.items()}
    if isinstance(part, list):
        return [_named(value, name) for value in part]
    return _NAME.sub(lambda found: _spelled(found.group(), name), part) if isinstance(part, str) else part


def _spelled(like: str, name: str) -> str:
    if like.isupper():
        return name.upper()
    return "".join(word.capitalize() for word in name.split("_")) if like.istitle() else name
