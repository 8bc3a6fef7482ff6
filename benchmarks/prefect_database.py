"""A Postgres for the Prefect server, where the machine has one with pg_trgm; Prefect's migrations need it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flows.local.processes import LOOPBACK, free_port
from sandbox.postgres.files import ServerUser

if TYPE_CHECKING:
    from collections.abc import Iterator

START_TIMEOUT_S = 30.0
_SETTING = "PREFECT_API_DATABASE_CONNECTION_URL"


def binaries() -> Path | None:
    """Folder of a server that has the extension; None when there is none. Debian's and the usual source layout."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if Path(f"/usr/share/postgresql/{folder.parent.name}/extension/pg_trgm.control").exists():
            return folder
    pg_ctl = shutil.which("pg_ctl")
    share = Path(pg_ctl).resolve().parents[1] / "share" if pg_ctl else None
    has_it = share is not None and any(share.rglob("pg_trgm.control"))
    return Path(pg_ctl).resolve().parent if pg_ctl and has_it else None


@contextmanager
def prefect_database() -> Iterator[str | None]:
    """URL for Prefect of a fresh server on loopback while the context is open; None where there is none to run."""
    folder = binaries()
    if folder is None:
        yield None
        return
    user, port = ServerUser.current(), free_port()
    with tempfile.TemporaryDirectory(prefix="prefect-pg-") as home:
        if user.uid is not None:
            os.chown(home, user.uid, user.uid)
        place = Path(home) / "data"
        made = user.run([str(folder / "initdb"), "-D", str(place), "-U", "postgres", "-A", "trust"], Path(home))
        if made.returncode:
            raise RuntimeError(f"initdb ended with {made.returncode}: {made.stderr[-500:]}")
        arguments = ["-D", str(place), "-p", str(port), "-h", LOOPBACK, "-k", home, "-c", "max_connections=200"]
        server = user.start([str(folder / "postgres"), *arguments], Path(home), Path(home) / "log")
        try:
            _wait(folder, port)
            _psql(folder, port, "postgres", "CREATE DATABASE prefect")
            _psql(folder, port, "prefect", "CREATE EXTENSION pg_trgm")
            yield f"postgresql+asyncpg://postgres@{LOOPBACK}:{port}/prefect"
        finally:
            server.terminate()
            server.wait(START_TIMEOUT_S)


@contextmanager
def prefect_on(database: str | None) -> Iterator[None]:
    """Servers that are started while the context is open keep their data there; on SQLite when it is None."""
    before = os.environ.pop(_SETTING, None)
    if database:
        os.environ[_SETTING] = database
    try:
        yield
    finally:
        os.environ.pop(_SETTING, None)
        if before is not None:
            os.environ[_SETTING] = before


def _psql(folder: Path, port: int, database: str, sql: str) -> None:
    command = [str(folder / "psql"), "-h", LOOPBACK, "-p", str(port), "-U", "postgres", "-d", database, "-qc", sql]
    subprocess.run(command, check=True, capture_output=True)


def _wait(folder: Path, port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    ready = [str(folder / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(port)]
    while subprocess.run(ready, check=False).returncode:
        if time.monotonic() > deadline:
            raise RuntimeError("Prefect's Postgres did not start")
        time.sleep(0.1)
