"""Pausing a unit: a note in the state store that names the runs to end; each run looks for its own id.

A note, because Prefect's own pause does not reach a process that is at work, and its cancellation kills it in the
middle of a slice. A run that was started later has another id and is not held.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

from contracts.errors import IngestionError, Retriable, RunError
from flows.live import running
from flows.stages.export import RunStopped
from state.keys import unit_state_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from contracts.receipts import RunRef
    from contracts.state import KvKey, KvStore
    from flows.wiring import Workspace

NAMESPACE = "unit_holds"
LOOK_EVERY_S = 2.0


class RunPausedError(Retriable, RunError):
    """Somebody paused the unit; what was read is in, and the next run goes on."""

    code = "E_RUN_PAUSED"


def hold(store: KvStore, ref: RunRef, run_ids: Sequence[str]) -> None:
    """Ask these runs to end, and hold back the unit's schedule."""
    store.put(_key(ref), {"unit_id": ref.unit_id, "sink_id": ref.sink_id, "runs": [*run_ids]})


def release(store: KvStore, ref: RunRef) -> bool:
    """Let the unit go on; False when nothing held it."""
    return store.delete(_key(ref))


def held_units(store: KvStore, endpoint_id: str | None = None) -> frozenset[tuple[str, str, str]]:
    """(endpoint, unit, sink) of everything that is held."""
    found = store.list(NAMESPACE, endpoint_id)
    return frozenset(
        (each.key.scope_id, str(each.value.get("unit_id")), str(each.value.get("sink_id"))) for each in found
    )


def is_held(store: KvStore, ref: RunRef, run_id: str | None = None) -> bool:
    """True when somebody paused the unit; with a run's id, when that run is to end."""
    entry = store.get(_key(ref))
    if entry is None or run_id is None:
        return entry is not None
    runs = entry.value.get("runs")
    return isinstance(runs, list) and run_id in runs


@contextmanager
def pausable(workspace: Workspace, ref: RunRef, run_id: str) -> Iterator[None]:
    """Look for a pause while the context is open.

    Raises:
        RunPausedError: The run was paused, before or while it went on; the unit's state says PAUSED.
    """
    if is_held(workspace.store, ref, run_id):
        _note(workspace, ref)
    over, asked = Event(), Event()
    looking = Thread(target=_look, args=(workspace.store, ref, run_id, over, asked), name="pause", daemon=True)
    looking.start()
    try:
        yield
    except RunStopped:
        if asked.is_set():
            _note(workspace, ref)
        raise
    finally:
        over.set()
        looking.join(timeout=LOOK_EVERY_S)


def _look(store: KvStore, ref: RunRef, run_id: str, over: Event, asked: Event) -> None:
    while not over.wait(LOOK_EVERY_S):
        try:
            wanted = asked.is_set() or is_held(store, ref, run_id)
        except IngestionError:
            continue  # a store that is away for a moment is no reason to stop, and the next look comes
        live = running(ref) if wanted else None
        if live is not None:
            asked.set()
            live.stop.set()


def _note(workspace: Workspace, ref: RunRef) -> None:
    workspace.states.paused(ref)
    raise RunPausedError(
        f"{ref} was paused", "Start it again (`startIngestion`): it goes on with the slices that are left."
    )


def _key(ref: RunRef) -> KvKey:
    return unit_state_key(ref).model_copy(update={"namespace": NAMESPACE})
