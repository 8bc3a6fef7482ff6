"""A Prefect database as a server of that version leaves it, copied for every control plane of the tests.

Its migrations have run and Prefect's own block types are registered, which is two of the five seconds of work of a
server's first start. Nothing of ours is in it: that is set up in each copy.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

_REGISTER = """
import asyncio
from prefect.server.database import provide_database_interface
from prefect.server.models.block_registration import run_block_auto_registration

async def register():
    async with await provide_database_interface().session() as session:
        await run_block_auto_registration(session=session)

asyncio.run(register())
"""
"""What a server does when it starts, in Prefect 3.8."""
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
    file = _KEPT / f"prefect-{version('prefect')}-started.db"
    _KEPT.mkdir(exist_ok=True)
    with (_KEPT / "prefect.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            _make(file)
    return file


def _make(file: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        names = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
        environment = {**names, "PREFECT_HOME": scratch, "DO_NOT_TRACK": "1"}
        upgrade = ("-m", "prefect", "server", "database", "upgrade", "-y")
        for arguments in (upgrade, ("-c", _REGISTER)):
            subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)
        draft = file.with_suffix(".draft")  # the scratch folder may be on another file system
        shutil.copyfile(Path(scratch) / "prefect.db", draft)
        draft.replace(file)
