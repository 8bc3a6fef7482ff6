"""The status of units: the states that runs saved, corrected by which runs Prefect says are alive.

A saved state can outlive its run, because a killed process saves nothing. RUNNING is therefore shown only while Prefect
has a live run of the unit; the server marks runs without a heartbeat as crashed within two minutes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from contracts.receipts import RunRef
from contracts.unit import UnitState
from flows.operations.locks import is_locked
from flows.prefect_api.runs import ALIVE, AWAITING_TURN, LATE
from flows.stages.export import run_stopped_error

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from contracts.state import Checkpoint
    from flows.prefect_api.runs import Run, Runs
    from flows.wiring import Workspace


NO_PLACE = "Waiting for a place in the work pool: as many runs as it takes are at work, or no worker is there."


def states_of(workspace: Workspace, endpoint_id: str | None = None) -> tuple[UnitState, ...]:
    """Every state (of the endpoint), as it is now, by endpoint, unit and sink."""
    saved, held = workspace.states.list(endpoint_id), workspace.holds.list(endpoint_id)
    return current_states(workspace, saved, held, endpoint_id)


def current_states(
    workspace: Workspace, saved: Iterable[UnitState], held: Collection[RunRef], endpoint_id: str | None = None
) -> tuple[UnitState, ...]:
    """The saved states (of the endpoint), corrected by the runs that Prefect says are alive now.

    Args:
        workspace: Of the server in use.
        saved: As runs recorded them; may come from a cache.
        held: Paused by an operator.
        endpoint_id: Leave out runs of other endpoints.

    Returns:
        One state for each saved one and for each unit that runs for the first time, by endpoint, unit and sink.
    """
    by_ref = {ref_of(state): state for state in saved}
    running, waiting = _at_work(workspace.runs), _waiting(workspace.runs)
    first_runs = {
        ref: UnitState(**ref.model_dump())
        for ref in {**running, **waiting}
        if ref not in by_ref and endpoint_id in {None, ref.endpoint_id}
    }
    states = [
        _current(workspace, state, running.get(ref), waiting.get(ref), is_held=ref in held)
        for ref, state in {**by_ref, **first_runs}.items()
    ]
    return tuple(sorted(states, key=lambda state: (state.endpoint_id, state.unit_id, state.sink_id)))


def state_of(workspace: Workspace, ref: RunRef) -> UnitState:
    """The state of one (endpoint, unit, sink), as it is now."""
    alive, waiting = _at_work(workspace.runs).get(ref), _waiting(workspace.runs).get(ref)
    return _current(workspace, workspace.states.state(ref), alive, waiting, is_held=workspace.holds.is_held(ref))


def _current(
    workspace: Workspace, noted: UnitState, alive: Run | None, waiting: str | None, *, is_held: bool
) -> UnitState:
    state = corrected(noted, alive, partial(is_locked, workspace, ref_of(noted)), is_held=is_held)
    return state.model_copy(update={"waiting": waiting})


def corrected(
    noted: UnitState, alive: Run | None, is_at_work: Callable[[], bool], *, is_held: bool = False
) -> UnitState:
    """The noted state, if what Prefect knows does not say otherwise; of a paused unit that does not run, PAUSED.

    Of a unit that was noted as RUNNING and has no live run, the sink's lock tells whether Prefect is mistaken: it takes
    runs for dead that it heard nothing of because it was away itself.
    """
    if alive is not None and not _was_overtaken(alive, noted):
        if alive.is_suspended:
            return noted.model_copy(update={"state": "PAUSED"})
        began = {"last_run_id": alive.run_id, "last_run_at": alive.at_work_since or noted.last_run_at}
        return noted.model_copy(update={"state": "RUNNING", "flow_run_id": alive.run_id, **began})
    if noted.state == "RUNNING" and is_at_work():
        return noted
    if is_held:
        return noted.model_copy(update={"state": "PAUSED"})
    if noted.state == "RUNNING":
        error = {name: value for name, value in run_stopped_error().to_json().items() if name != "facts"}
        return noted.model_copy(update={"state": "FAILED", "last_error": error})
    return noted


def _at_work(runs: Runs) -> dict[RunRef, Run]:
    """Of each unit the run that began last, suspended ones too: a killed one is alive until its heartbeat is missed."""
    oldest_first = sorted(runs.find((*ALIVE, "PAUSED")), key=lambda run: run.at_work_since or run.state_at)
    return {run.ref: run for run in oldest_first if run.ref is not None}


def _waiting(runs: Runs) -> dict[RunRef, str]:
    """Of each unit, for a person, what its next run waits for: a place in the work pool, or its turn."""
    due = runs.find(("SCHEDULED",), names=(LATE, AWAITING_TURN))
    return {run.ref: run.message if run.name == AWAITING_TURN else NO_PLACE for run in due if run.ref is not None}


def _was_overtaken(alive: Run, noted: UnitState) -> bool:
    """True for a run that cannot be at work, because a later run of the unit took the lock and has ended."""
    if noted.state == "RUNNING" or noted.last_run_at is None or alive.at_work_since is None:
        return False
    return alive.at_work_since < noted.last_run_at


def checkpoints_of(workspace: Workspace, endpoint_id: str) -> Mapping[RunRef, dict[str, Any]]:
    """The saved cursors of the endpoint, by what they belong to."""
    held = workspace.checkpoints(workspace.vendor(endpoint_id)).list(endpoint_id)
    return {
        RunRef(endpoint_id=each.endpoint_id, unit_id=each.unit_id, sink_id=each.sink_id): dict(each.cursor)
        for each in held
    }


def ref_of(state: UnitState | Checkpoint) -> RunRef:
    """What the state or checkpoint is about."""
    return RunRef(endpoint_id=state.endpoint_id, unit_id=state.unit_id, sink_id=state.sink_id)
