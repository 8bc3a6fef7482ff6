"""The temporary staging folder of one copy, and what killed copies left of theirs."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "nucleus-copy-"
_LOCK = ".lock"
_YOUNG_S = 60.0  # between making a folder and locking it, its maker is not to be taken for dead


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder, removed at the end; folders of copies that were killed are removed first."""
    _sweep(Path(tempfile.gettempdir()))
    with (
        tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder,
        (Path(folder) / _LOCK).open("w") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        staged = Path(folder) / "staged"
        staged.mkdir()
        yield staged


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            about = folder.lstat()
            if about.st_uid == os.getuid() and time.time() - about.st_mtime > _YOUNG_S:
                _remove_unless_held(folder)


def _remove_unless_held(folder: Path) -> None:
    with (folder / _LOCK).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
