"""Flow: forget how far a unit was read; the next incremental run reads everything."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger

from contracts.receipts import RunRef
from flows.execution.outcome import to_flow_state
from flows.operations.watermarks import forget_watermark
from flows.wiring import open_workspace


@flow(name="reset-checkpoint", flow_run_name="reset {endpoint_id}/{unit_id} → {sink_id}")
def reset_checkpoint(endpoint_id: str, unit_id: str, sink_id: str) -> Any:
    """Remove checkpoint and transient state, while no run holds the unit.

    Returns:
        ``{reset}``: false when there was none.

    A running run would overwrite the reset with its own checkpoint, so then it is refused (E_RUN_IN_PROGRESS).
    """
    log = get_run_logger()
    ref = RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=sink_id)

    def body() -> dict[str, Any]:
        with open_workspace() as workspace:
            was_there = forget_watermark(workspace, ref)
        log.info("The checkpoint of %s %s", ref, "is forgotten" if was_there else "was not there")
        return {"reset": was_there}

    return to_flow_state(body)
