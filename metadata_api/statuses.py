"""Where units stand: what runs noted, corrected by what Prefect says is alive.

A note can outlive its run: a killed process writes nothing. So RUNNING is believed only while Prefect has a living
run for the unit; the server's own watch ends those without a heartbeat within two minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.receipts import RunRef
from contracts.unit import UnitState
from flows.outcome import stopped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flows.wiring import Workspace
    from metadata_api.runs import Run, Runs


def states_of(workspace: Workspace, runs: Runs, endpoint_id: str) -> tuple[UnitState, ...]:
    """Every state of the endpoint, as it is now, by unit and sink."""
    noted = {_ref(state): state for state in workspace.states.list(endpoint_id)}
    alive = {run.ref: run for run in runs.alive().values() if run.ref and run.ref.endpoint_id == endpoint_id}
    blank = {ref: UnitState(**ref.model_dump()) for ref in alive if ref not in noted}
    found = [corrected(state, alive.get(ref)) for ref, state in {**noted, **blank}.items()]
    return tuple(sorted(found, key=lambda state: (state.unit_id, state.sink_id)))


def state_of(workspace: Workspace, runs: Runs, ref: RunRef) -> UnitState:
    """The state of one (endpoint, unit, sink), as it is now."""
    return corrected(workspace.states.state(ref), runs.alive().get(str(ref)))


def corrected(noted: UnitState, alive: Run | None) -> UnitState:
    """The noted state, if what Prefect knows does not say otherwise."""
    if alive is not None:
        began_at = alive.began_at or noted.last_run_at
        return noted.model_copy(update={"state": "RUNNING", "last_run_id": alive.run_id, "last_run_at": began_at})
    if noted.state == "RUNNING":
        error = {name: value for name, value in stopped().to_json().items() if name != "facts"}
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
