"""Where units stand: what runs noted, corrected by what Prefect says is alive.

A note can outlive its run: a killed process writes nothing. So RUNNING is believed only while Prefect has a living
run for the unit; the server's own watch ends those without a heartbeat within two minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.receipts import RunRef
from contracts.unit import UnitState
from flows.prefect_api.runs import ALIVE
from flows.stages.export import run_stopped_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flows.prefect_api.runs import Run
    from flows.wiring import Workspace


def states_of(workspace: Workspace, endpoint_id: str | None = None) -> tuple[UnitState, ...]:
    """Every state (of the endpoint), as it is now, by endpoint, unit and sink."""
    noted = {_ref(state): state for state in workspace.states.list(endpoint_id)}
    at_work = {run.ref: run for run in workspace.runs.find(ALIVE) if run.ref}
    alive = {ref: run for ref, run in at_work.items() if endpoint_id in {None, ref.endpoint_id}}
    blank = {ref: UnitState(**ref.model_dump()) for ref in alive if ref not in noted}
    found = [corrected(state, alive.get(ref)) for ref, state in {**noted, **blank}.items()]
    return tuple(sorted(found, key=lambda state: (state.endpoint_id, state.unit_id, state.sink_id)))


def state_of(workspace: Workspace, ref: RunRef) -> UnitState:
    """The state of one (endpoint, unit, sink), as it is now."""
    at_work = next((run for run in workspace.runs.find(ALIVE) if run.ref == ref), None)
    return corrected(workspace.states.state(ref), at_work)


def corrected(noted: UnitState, alive: Run | None) -> UnitState:
    """The noted state, if what Prefect knows does not say otherwise."""
    if alive is not None:
        began_at = alive.began_at or noted.last_run_at
        return noted.model_copy(update={"state": "RUNNING", "last_run_id": alive.run_id, "last_run_at": began_at})
    if noted.state == "RUNNING":
        error = {name: value for name, value in run_stopped_error().to_json().items() if name != "facts"}
        return noted.model_copy(update={"state": "FAILED", "last_error": error})
    return noted


def checkpoints_of(workspace: Workspace, endpoint_id: str) -> Mapping[RunRef, dict[str, Any]]:
    """The saved cursors of the endpoint, by what they belong to."""
    held = workspace.checkpoints(workspace.vendor(endpoint_id)).list(endpoint_id)
    return {
        RunRef(endpoint_id=each.endpoint_id, unit_id=each.unit_id, sink_id=each.sink_id): dict(each.cursor)
        for each in held
    }


def _ref(state: UnitState) -> RunRef:
    return RunRef(endpoint_id=state.endpoint_id, unit_id=state.unit_id, sink_id=state.sink_id)
