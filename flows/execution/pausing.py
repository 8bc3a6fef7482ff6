"""Pausing a running flow: it polls for a hold of its unit, finishes the slices in progress, and ends.

The request is an entry in the state store, because Prefect's own pause does not reach a process that is running, and
Prefect's cancellation kills it in the middle of a slice.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

from contracts.errors import IngestionError, RunPausedError
from flows.stages.export import RunStopped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.receipts import RunRef
    from flows.stages.slices import RunControl
    from flows.wiring import Workspace
    from state.switches import UnitHolds

PAUSED = "Paused"
"""Name of the Prefect state of a run that was paused: of type CANCELLED, which nothing starts again by itself."""
POLL_EVERY_S = 2.0


@contextmanager
def pausable(workspace: Workspace, ref: RunRef, control: RunControl) -> Iterator[None]:
    """Poll for a pause request while the context is open, and pass it to the run's control.

    Raises:
        RunPausedError: The unit was paused before the run began or while it ran; its state says PAUSED.
    """
    workspace.holds.require_free(ref)
    over, requested = Event(), Event()
    arguments = (workspace.holds, ref, control, over, requested)
    watcher = Thread(target=_watch_holds, args=arguments, name="pause", daemon=True)
    watcher.start()
    try:
        yield
        if requested.is_set():
            workspace.states.paused(ref)  # the run completed nevertheless; its schedule stays paused
    except RunStopped:
        if requested.is_set():
            raise _paused(workspace, ref) from None
        raise
    finally:
        over.set()
        watcher.join(timeout=POLL_EVERY_S)


def _watch_holds(holds: UnitHolds, ref: RunRef, control: RunControl, over: Event, requested: Event) -> None:
    while not over.wait(POLL_EVERY_S):
        try:
            wanted = requested.is_set() or holds.is_held(ref)
        except IngestionError:
            continue  # the store is unavailable for a moment: no reason to stop, it is polled again
        if wanted:
            requested.set()
            control.pause()


def _paused(workspace: Workspace, ref: RunRef) -> RunPausedError:
    workspace.states.paused(ref)
    return RunPausedError(
        f"{ref} was paused", "Start it again (`nucleus resume`, startIngestion): it resumes with the remaining slices."
    )
