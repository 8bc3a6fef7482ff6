"""The result of a run, as callbacks carry it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.error_codes import code_and_words, kind_of
from contracts.errors import IngestionError, Retriable
from flows.execution.pausing import PAUSED
from flows.prefect_api.runs import FOLDED, FOLDED_INTO
from flows.stages.export import run_stopped_error

if TYPE_CHECKING:
    from contracts.unit import UnitState
    from flows.prefect_api.runs import Run
    from flows.wiring import Workspace

_WORDS = {"COMPLETED": "SUCCEEDED", "FAILED": "FAILED", "CRASHED": "FAILED", "CANCELLED": "FAILED"}


def unit_state(run: Run) -> str:
    """The run's state in the words of unit states; a run that waits for a worker is RUNNING to those who wait."""
    if run.name == PAUSED or run.is_suspended:
        return "PAUSED"
    return _WORDS.get(run.state, "RUNNING")


def result_of(workspace: Workspace, run: Run) -> dict[str, Any]:
    """Shape: ``{runId, foldedInto, endpointId, unitId, sinkId, state, stats, checkpoint, error, startedAt, endedAt}``.

    Stats and checkpoint are null when a later run of the unit has replaced them. Of a run that was folded into another
    they are the other's.

    Raises:
        StateUnavailableError, ControlPlaneError: The state could not be read; try again.
    """
    ref = run.ref
    recorded = None if ref is None else workspace.states.state(ref)
    folded_into = run.labels.get(FOLDED_INTO) if run.name == FOLDED else None
    is_ours = recorded is not None and recorded.flow_run_id == (folded_into or run.run_id)
    state = unit_state(run)
    return {
        "runId": run.run_id,
        "foldedInto": folded_into,
        "endpointId": ref and ref.endpoint_id,
        "unitId": ref and ref.unit_id,
        "sinkId": ref and ref.sink_id,
        "state": state,
        "stats": recorded.stats if recorded is not None and is_ours else None,
        "checkpoint": _checkpoint(workspace, run) if is_ours and state == "SUCCEEDED" else None,
        "error": _error(run, recorded if is_ours else None, state),
        "startedAt": run.began_at and run.began_at.isoformat(),
        "endedAt": run.ended_at and run.ended_at.isoformat(),
    }


def plain_error(held: dict[str, Any]) -> dict[str, Any]:
    """A saved error without its facts: ``{code, message, retryable, hint}``."""
    return {
        "code": str(held.get("code") or IngestionError.code),
        "message": str(held.get("message") or "The run failed"),
        "retryable": bool(held.get("retryable", False)),
        "hint": str(held.get("hint") or ""),
    }


def _checkpoint(workspace: Workspace, run: Run) -> dict[str, Any] | None:
    if run.ref is None:
        return None
    return workspace.checkpoints(workspace.vendor(run.ref.endpoint_id)).progress(run.ref)


def _error(run: Run, recorded: UnitState | None, state: str) -> dict[str, Any] | None:
    if state != "FAILED":
        return None
    if run.state == "FAILED" and recorded is not None and recorded.last_error is not None:
        return plain_error(dict(recorded.last_error))
    if run.state in {"CRASHED", "CANCELLED"}:
        return plain_error(run_stopped_error().to_json())
    code, words = code_and_words(run.message)
    if code:
        # What the run's own process knew of its error: Prefect keeps only the text.
        is_retryable = issubclass(kind_of(code) or IngestionError, Retriable)
        told = {"code": code, "message": words[:1000], "hint": "See the run."}
        return plain_error({**told, "retryable": is_retryable})
    return plain_error({"message": "The run failed", "hint": "Its log in Prefect says why."})
