"""Whether the worker that took a run is still there, by its heartbeats."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.prefect_api.client import ControlPlane
    from flows.prefect_api.runs import Run

WORKER, WORK_POOL = "prefect.worker.name", "prefect.work-pool.name"
"""Labels that a worker puts on the run it takes (read in Prefect 3.8, not documented)."""
MISSED = 3
"""Heartbeats in a row: Prefect's own services take a worker for offline after as many."""
DEFAULT_INTERVAL_S = 30
"""Prefect's, of a worker that does not say."""
_MOST = 200


def is_worker_silent(plane: ControlPlane, run: Run, now: datetime) -> bool:
    """True when the worker that took the run last was heard of longer ago than three of its heartbeats.

    False when nobody can tell: the run names no worker, or the server has forgotten it. A worker that is started anew
    has another name, unless a person gave it one.

    Args:
        plane: The server in use.
        run: One that a worker took.
        now: The time.

    Raises:
        ControlPlaneError: The server did not answer.
    """
    name, pool = run.labels.get(WORKER), run.labels.get(WORK_POOL)
    if name is None or pool is None:
        return False
    # The one that was heard of last comes first.
    found = plane.call("POST", f"/work_pools/{pool}/workers/filter", {"limit": _MOST}) or ()
    worker = next((each for each in found if each["name"] == name), None)
    if worker is None or not worker.get("last_heartbeat_time"):
        return False
    silent_s = (now - datetime.fromisoformat(worker["last_heartbeat_time"])).total_seconds()
    return silent_s > MISSED * (worker.get("heartbeat_interval_seconds") or DEFAULT_INTERVAL_S)
