"""A Prefect database whose migrations have run, copied for every control plane of the tests: it saves each some seconds."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

_KEPT = Path(__file__).parents[1] / ".sandbox"


def seed(home: Path) -> Path:
    """Put the database where `nucleus up` under ``home`` looks for it; gives ``home``."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = home / "prefect"
    folder.mkdir(mode=0o700, exist_ok=True)
    if not (folder / "prefect.db").exists():
        shutil.copyfile(template(), folder / "prefect.db")
    return home


def template() -> Path:
    """The database of this version of Prefect, made by the first process that asks."""
    file = _KEPT / f"prefect-{version('prefect')}.db"
    _KEPT.mkdir(exist_ok=True)
    with (_KEPT / "prefect.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            _migrate(file)
    return file


def _migrate(file: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        names = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
        command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
        environment = {**names, "PREFECT_HOME": scratch, "DO_NOT_TRACK": "1"}
        subprocess.run(command, env=environment, check=True, capture_output=True)
        draft = file.with_suffix(".draft")  # the scratch folder may be on another file system
        shutil.copyfile(Path(scratch) / "prefect.db", draft)
        draft.replace(file)
