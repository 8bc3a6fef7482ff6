"""Which rooms there are, and their files."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS: tuple[str, ...] = tuple(
    tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
)


def built() -> list[str]:
    """The rooms that exist, which are all of them."""
    rooms = [room for room in ROOMS if (ROOT / room / "__init__.py").exists()]
    assert rooms == [*ROOMS], "a room of pyproject.toml has no package"
    return rooms


def files(*folders: str) -> list[Path]:
    """Every Python file below the folders, those that exist."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
