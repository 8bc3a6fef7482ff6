"""Pausing a run that is at work: it looks for its own id among its unit's holds, and ends after its slices in hand.

A note in the state store, because Prefect's own pause does not reach a process that is at work, and its cancellation
kills it in the middle of a slice.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

from contracts.errors import IngestionError, RunPausedError
from flows.execution.live import running
from flows.stages.export import RunStopped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.receipts import RunRef
    from flows.wiring import Workspace
    from state.switches import UnitHolds

PAUSED = "Paused"
"""Name of the Prefect state of a run that was paused: of type CANCELLED, which nothing starts again by itself."""
LOOK_EVERY_S = 2.0


@contextmanager
def pausable(workspace: Workspace, ref: RunRef, run_id: str) -> Iterator[None]:
    """Look for a pause while the context is open.

    Raises:
        RunPausedError: The run was paused, before or while it went on; the unit's state says PAUSED.
    """
    if workspace.holds.ends(ref, run_id):
        _end(workspace, ref)
    over, asked = Event(), Event()
    looking = Thread(target=_look, args=(workspace.holds, ref, run_id, over, asked), name="pause", daemon=True)
    looking.start()
    try:
        yield
        if asked.is_set():
            workspace.states.paused(ref)  # it came to its end nevertheless, and its schedule is held back
    except RunStopped:
        if asked.is_set():
            _end(workspace, ref)
        raise
    finally:
        over.set()
        looking.join(timeout=LOOK_EVERY_S)


def _look(holds: UnitHolds, ref: RunRef, run_id: str, over: Event, asked: Event) -> None:
    while not over.wait(LOOK_EVERY_S):
        try:
            wanted = asked.is_set() or holds.ends(ref, run_id)
        except IngestionError:
            continue  # a store that is away for a moment is no reason to stop, and the next look comes
        live = running(ref) if wanted else None
        if live is not None:
            asked.set()
            live.ask_to_pause()


def _end(workspace: Workspace, ref: RunRef) -> None:
    workspace.states.paused(ref)
    raise RunPausedError(
        f"{ref} was paused", "Start it again (`nucleus resume`, startIngestion): it goes on with what is left."
    )
