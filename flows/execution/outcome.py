"""How a run ends: the Prefect state people read, and the unit state programs read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from prefect import get_run_logger
from prefect.exceptions import Pause
from prefect.states import Failed

from contracts.errors import IngestionError, MetadataError, RunInProgressError, RunSupersededError
from flows.execution.events import ref_of
from flows.execution.failure_lines import log_typed_errors_plainly
from flows.execution.lineage import say_aborted
from flows.stages.export import run_stopped_error
from flows.wiring import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect.client.schemas.objects import FlowRun, State
    from prefect.flows import Flow

    from contracts.receipts import RunRef, RunSummary
    from flows.wiring import Workspace
    from state.units import UnitStates

ResultT = TypeVar("ResultT")

ANOTHER_RUNS = (RunInProgressError, RunSupersededError)
"""Another run of the unit is running: its state and summary are not this run's to write."""
_NOT_OURS = (MetadataError, *ANOTHER_RUNS)
"""The same, or nothing of the unit was started."""

_log = logging.getLogger(__name__)


def failed_state(error: IngestionError) -> State[Any]:
    """A failed state that says ``CODE: message. next step`` and raises the error when its result is asked for."""
    return Failed(message=f"{error.code}: {error}", data=error)


def to_flow_state(body: Callable[[], ResultT]) -> ResultT | State[Any]:
    """The body's result; of a typed error, a failed state for the flow to return.

    Not a decorator: Prefect reads a flow's annotations in the module of the outermost function.
    """
    log_typed_errors_plainly()
    try:
        return body()
    except IngestionError as error:
        get_run_logger().error("%s: %s", error.code, error)
        return failed_state(error)


def record_failure(states: UnitStates, ref: RunRef, run_id: str, error: BaseException) -> None:
    """Record the failure in the unit state; a store that does not answer does not hide the error itself."""
    if isinstance(error, _NOT_OURS):
        return
    reported = error if isinstance(error, Exception) else run_stopped_error()
    try:
        if isinstance(error, Pause):  # somebody suspended the run, in the UI or by Prefect's API
            states.paused(ref)
        else:
            states.failed(ref, run_id, reported)
    except IngestionError as unavailable:
        _log.warning("The failure of %s could not be recorded in its unit state: %s", ref, unavailable)


def record_success(states: UnitStates, summary: RunSummary) -> None:
    """Record the success with its counters in the unit state."""
    states.succeeded(summary.ref, summary.run_id, stats_of(summary))


def stats_of(summary: RunSummary) -> dict[str, Any]:
    """The counters of a run that checkpoint and unit state keep."""
    names = {name for name in type(summary).model_fields if name.startswith(("rows_", "bytes_", "slices_"))}
    return summary.model_dump(mode="json", include={*names, "mode", "seconds", "resumed"})


def mark_orphan_failed(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Hook for failed, crashed and cancelled runs, in whatever process: no unit stays RUNNING without a run.

    Prefect calls it by keyword. The sink's lock tells whether another run is running.
    """
    ref = ref_of(flow_run)
    if ref is None:
        return
    try:
        with open_workspace() as workspace:
            if _mark_orphan_failed(workspace, ref):
                say_aborted(ref, flow_run.id, _log, is_patient=True)
    except Exception as error:  # noqa: BLE001 - a hook has nobody to tell but the log
        _log.warning("After %s (%s): the unit state could not be corrected: %s", flow.name, state.name, error)


def _mark_orphan_failed(workspace: Workspace, ref: RunRef) -> bool:
    """True when the unit was RUNNING without a run."""
    if workspace.states.state(ref).state != "RUNNING":
        return False
    try:
        with workspace.sink(ref.sink_id).exclusive(ref):
            state = workspace.states.state(ref)
            if state.state == "RUNNING" and state.last_run_id is not None:
                workspace.states.failed(ref, state.last_run_id, run_stopped_error())
                return True
    except RunInProgressError:
        pass
    return False
