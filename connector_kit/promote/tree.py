"""A repository as it would be: links to what stays, real files for what changes. And the change itself."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_SOURCE = frozenset({".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".sandbox", ".nucleus"})


def shadow(root: Path, into: Path, files: Mapping[str, bytes]) -> None:
    """Make ``into`` look like the repository with these files in it (by path below the root); may be called again."""
    _linked(root, into)
    for name, content in files.items():
        target = into / name
        _real(root, into, Path(name).parent)
        if target.is_symlink():
            target.unlink()
        target.write_bytes(content)


def differing(root: Path, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of the files that are not there with just this content."""
    return {name: content for name, content in files.items() if _content(root / name) != content}


def write(root: Path, files: Mapping[str, bytes]) -> None:
    """Write the files in order, each whole or not at all; on an error those written before are put back.

    Raises:
        OSError: The disk is full, or somebody may not write there; nothing has changed then.
    """
    before: dict[Path, bytes | None] = {}
    try:
        for name, content in files.items():
            before[root / name] = _content(root / name)
            _replace(root / name, content)
    except OSError:
        for path, old in reversed(before.items()):
            if old is not None and _content(path) != old:
                _replace(path, old)
            elif old is None and path.is_file():
                path.unlink()
        raise


def _linked(root: Path, into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    for child in root.iterdir() if root.is_dir() else ():
        if child.name not in _NOT_SOURCE and child.name != "__pycache__" and not os.path.lexists(into / child.name):
            (into / child.name).symlink_to(child.resolve(), target_is_directory=child.is_dir())


def _real(root: Path, into: Path, folder: Path) -> None:
    for part in [*reversed(folder.parents), folder][1:]:
        if (into / part).is_symlink():
            (into / part).unlink()
        _linked(root / part, into / part)


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
