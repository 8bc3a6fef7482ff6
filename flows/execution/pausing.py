"""Pausing a run that is at work: it looks for its own id among its unit's holds, and ends after its slices in hand.

A note in the state store, because Prefect's own pause does not reach a process that is at work, and its cancellation
kills it in the middle of a slice.
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
LOOK_EVERY_S = 2.0


@contextmanager
def pausable(workspace: Workspace, ref: RunRef, run_id: str, control: RunControl) -> Iterator[None]:
    """Look for a pause while the context is open, and hand it to the run's control.

    Raises:
        RunPausedError: The run was paused, before or while it went on; the unit's state says PAUSED.
    """
    if workspace.holds.ends(ref, run_id):
        raise _paused(workspace, ref)
    over, requested = Event(), Event()
    arguments = (workspace.holds, ref, run_id, control, over, requested)
    watcher = Thread(target=_watch_holds, args=arguments, name="pause", daemon=True)
    watcher.start()
    try:
        yield
        if requested.is_set():
            workspace.states.paused(ref)  # it came to its end nevertheless, and its schedule is held back
    except RunStopped:
        if requested.is_set():
            raise _paused(workspace, ref) from None
        raise
    finally:
        over.set()
        watcher.join(timeout=LOOK_EVERY_S)


def _watch_holds(
    holds: UnitHolds, ref: RunRef, run_id: str, control: RunControl, over: Event, requested: Event
) -> None:
    while not over.wait(LOOK_EVERY_S):
        try:
            wanted = requested.is_set() or holds.ends(ref, run_id)
        except IngestionError:
            continue  # a store that is away for a moment is no reason to stop, and the next look comes
        if wanted:
            requested.set()
            control.pause()


def _paused(workspace: Workspace, ref: RunRef) -> RunPausedError:
    workspace.states.paused(ref)
    return RunPausedError(
        f"{ref} was paused", "Start it again (`nucleus resume`, startIngestion): it resumes with the remaining slices."
    )
