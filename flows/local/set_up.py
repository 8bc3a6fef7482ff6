"""``python -m flows.local.set_up URL [INSTANCE]``: blocks, work pool, deployments and automation, on that server."""

from __future__ import annotations

import sys
import time

from flows import deployments
from flows.local.launch import START_TIMEOUT_S
from flows.local.processes import is_healthy
from flows.operations.dead_runs import watch_zombies
from flows.prefect_api.client import connect, unreachable


def set_up(wait_for: str | None = None, instance: str | None = None) -> None:
    """Idempotent.

    Args:
        wait_for: API URL of a server that is being started.
        instance: What its answers say of it: another server at that address is not set up.

    Raises:
        ControlPlaneError: The server did not answer in time.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while wait_for and not is_healthy(wait_for, instance):
        if time.monotonic() > deadline:
            raise unreachable(wait_for, "not in time")
        time.sleep(0.1)
    with connect() as plane:
        deployments.register_blocks(plane)
    deployments.make_pool()
    deployments.apply()
    watch_zombies()


if __name__ == "__main__":
    set_up(*sys.argv[1:3])
