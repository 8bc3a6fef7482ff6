"""Temporary files of the suite lie in memory where there is room: databases that live for seconds need no disk.

Making and dropping them was a quarter of what the suite asked of the kernel. A folder that ``TMPDIR`` names is left as
it is. What a failed run leaves is kept to be looked at, until the next run begins.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory, not a guessable file
ROOM = 6 * 1024**3
"""Bytes; 3 GB were in use at most."""
_PREFIX = "nucleus-tests-"


def pytest_configure(config: pytest.Config) -> None:
    """Of the first process; those of pytest-xdist inherit its environment."""
    if hasattr(config, "workerinput") or "TMPDIR" in os.environ or not _has_room():
        return
    for left in MEMORY.glob(f"{_PREFIX}*"):
        if not psutil.pid_exists(int(left.name.removeprefix(_PREFIX))):
            shutil.rmtree(left, ignore_errors=True)
    folder = MEMORY / f"{_PREFIX}{os.getpid()}"
    folder.mkdir(mode=0o711)  # servers of another user go through it
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), None


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Nothing stays of a run without a failure."""
    folder = MEMORY / f"{_PREFIX}{os.getpid()}"
    if not hasattr(session.config, "workerinput") and exitstatus == pytest.ExitCode.OK and folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def _has_room() -> bool:
    with suppress(OSError):
        return shutil.disk_usage(MEMORY).free >= ROOM and psutil.virtual_memory().available >= 2 * ROOM
    return False
