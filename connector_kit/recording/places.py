"""Where the recorded traffic of a connector is, whatever folder a notebook or a test runs in."""

from __future__ import annotations

from pathlib import Path

from contracts.errors import ConfigInvalidError

PROTOTYPES = Path("notebooks", "prototypes")
"""Notebooks of connectors and, in a folder beside each, their recorded traffic."""
TOUR = "tour"
"""The cassette of a notebook's own run."""
CHECKS = "checks"
"""The cassette of the checks, see ``nucleus connector record``."""


def project_root(start: Path | None = None) -> Path:
    """The nearest folder at or above ``start`` (the working directory) with a ``pyproject.toml``.

    Raises:
        ConfigInvalidError: There is none.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "pyproject.toml").exists():
            return folder
    raise ConfigInvalidError(f"{here} is in no project", "Run it below the folder with the pyproject.toml.")


def cassette_path(name: str, tape: str = TOUR, root: Path | None = None) -> Path:
    """The file of a connector's cassette: beside its notebook, or the copy in its tests where only that is left.

    A file that is nowhere yet belongs beside the notebook.
    """
    root = root or project_root()
    file = f"{tape}.jsonl"
    beside = root / PROTOTYPES / name / file
    copies = (root / "tests" / "connectors" / name / "cassettes" / file, root / "tests" / name / "cassettes" / file)
    return next((path for path in (beside, *copies) if path.exists()), beside)
