"""One control plane per test session (server, worker, deployments on loopback), shared by the processes of xdist."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.local.contexts import send_queued_logs, using
from flows.local.up import down, up
from tests.prefect_template import seed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flows.local.control_plane import LocalControlPlane


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalControlPlane]:
    """The first process of pytest-xdist starts it, the last one ends it."""
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "control-plane"
    home.mkdir(mode=0o700, exist_ok=True)
    with locked(home):
        (home / f"user-{os.getpid()}").touch()
        note = up(seed(home))
    try:
        # The heartbeat costs every flow run in this process a second.
        with using(note), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            yield note
            send_queued_logs()
    finally:
        with locked(home):
            (home / f"user-{os.getpid()}").unlink()
            if not list(home.glob("user-*")):
                down(home)


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """One process at a time starts or ends what lies under ``home``."""
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
