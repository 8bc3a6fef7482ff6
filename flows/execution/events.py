"""Prefect events of ingestion: one when a run of a unit begins, one when it ends, for automations to chain on.

===============================  ======================================================================
``nucleus.ingestion.started``    resource ``nucleus.unit.<endpoint>.<unit>``, payload: the three ids
``nucleus.ingestion.ended``      the same, and ``state`` (SUCCEEDED, PAUSED, FAILED) and the run's counters
===============================  ======================================================================

The resource carries ``nucleus.endpoint``, ``nucleus.unit``, ``nucleus.sink`` and, at the end, ``nucleus.state`` as
labels to match on.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from prefect.events import emit_event

from contracts.receipts import RunRef

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.schemas.objects import FlowRun, State
    from prefect.flows import Flow

STARTED, ENDED = "nucleus.ingestion.started", "nucleus.ingestion.ended"
_COUNTED = ("rows_", "bytes_", "slices_")

_log = logging.getLogger(__name__)


def emit_started(ref: RunRef, flow_run_id: UUID) -> None:
    """A run has its turn. No hook: a run that waits for its turn begins more than one process."""
    _emit(STARTED, ref, flow_run_id, {})


def emit_ended(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - Prefect's keywords
    """Hook for every end of a run."""
    ref = ref_of(flow_run)
    if ref is None:
        return
    word = "SUCCEEDED" if state.is_completed() else "PAUSED" if state.name == "Paused" else "FAILED"
    _emit(ENDED, ref, flow_run.id, {"state": word, **_counters(state)})


def ref_of(flow_run: FlowRun) -> RunRef | None:
    """What a run of ``ingest-unit`` runs; None for one without a sink."""
    names = {name: flow_run.parameters.get(name) for name in RunRef.model_fields}
    return RunRef.model_validate(names) if names["sink_id"] is not None else None


def _emit(event: str, ref: RunRef, flow_run_id: UUID, facts: dict[str, Any]) -> None:
    try:
        resource = {
            "prefect.resource.id": f"nucleus.unit.{ref.endpoint_id}.{ref.unit_id}",
            "nucleus.endpoint": ref.endpoint_id,
            "nucleus.unit": ref.unit_id,
            "nucleus.sink": ref.sink_id,
            **({"nucleus.state": facts["state"]} if "state" in facts else {}),
        }
        related = [{"prefect.resource.id": f"prefect.flow-run.{flow_run_id}", "prefect.resource.role": "flow-run"}]
        payload = {**ref.model_dump(), **facts, "flow_run_id": str(flow_run_id)}
        emit_event(event, resource, related=related, payload=payload)
    except Exception as error:  # noqa: BLE001 - a hook has nobody to tell but the log
        _log.warning("The event %s could not be emitted: %s", event, type(error).__name__)


def _counters(state: State[Any]) -> dict[str, Any]:
    """What the run counted, when it ended well in this process."""
    result = state.result(raise_on_failure=False) if state.is_completed() else None
    if not isinstance(result, dict):
        return {}
    return {name: value for name, value in result.items() if name.startswith(_COUNTED) and isinstance(value, int)}
