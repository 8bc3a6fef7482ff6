"""A run that works is RUNNING in Prefect too, also after the server took it for dead.

While the server is away it hears no heartbeats, and its watch (``flows.operations.dead_runs``) crashes the run when it
is back. The process knows better, and holds the sink's lock to prove it.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

from contracts.errors import ControlPlaneError
from flows.prefect_api.runs import AWAITING_RETRY, AWAITING_TURN, Runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from flows.execution.artifacts import RunLog
    from flows.prefect_api.client import ControlPlane

LOOK_EVERY_S = 10.0
_TAKEN_FOR_DEAD = ("Crashed", AWAITING_RETRY, AWAITING_TURN)
"""Crashed, then to be started again, then put back by the process that was started and met the lock."""


@contextmanager
def kept_running(plane: ControlPlane, flow_run_id: UUID, log: RunLog) -> Iterator[None]:
    """Revive the flow run whenever the server takes it for dead; the caller holds the sink's lock."""
    over = Event()
    looking = Thread(target=_keep, args=(Runs(plane), str(flow_run_id), over, log), name="revival", daemon=True)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()


def _keep(runs: Runs, run_id: str, over: Event, log: RunLog) -> None:
    """The last look of a run that lasts comes at its end, so that its end is reported of a running one."""
    lasts = False
    while not (ends := over.wait(LOOK_EVERY_S)) or lasts:
        lasts = True
        try:
            run = runs.get(run_id)
            if run is not None and run.name in _TAKEN_FOR_DEAD and runs.revive(run):
                log.warning("The server took this run for dead (%s); it works, and is RUNNING again.", run.name)
        except ControlPlaneError as error:
            log.warning("The server did not say what it takes this run for; the run goes on: %s", error)
        if ends:
            return
