"""Flow: one unit from its source to a sink, through staging; run it again to go on where it stopped."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner

from contracts.receipts import RunRef
from flows.outcome import ended, settle
from flows.unit_run import FlowUnitRun
from flows.wiring import open_workspace

MOST_IN_FLIGHT = 64
"""The largest ``parallel_slices``; threads are made as slices need them."""


@flow(
    name="ingest-unit",
    flow_run_name="{endpoint_id}/{unit_id} → {sink_id}",
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_IN_FLIGHT),  # type: ignore[arg-type]  # its own annotation
    on_failure=[settle],
    on_crashed=[settle],
    on_cancellation=[settle],
)
def ingest_unit(
    endpoint_id: str,
    unit_id: str,
    sink_id: str,
    mode: Literal["full", "incremental"] | None = None,
    data_mode: Literal["raw", "cdm"] | None = None,
    policy: dict[str, Any] | None = None,
    staging_id: str | None = None,
    fresh: bool = False,  # noqa: FBT001, FBT002 - Prefect passes parameters by name
) -> Any:
    """Move one unit.

    Args:
        endpoint_id: The source.
        unit_id: A unit of its catalog.
        sink_id: The endpoint that takes the rows.
        mode: full or incremental; the unit's own when empty.
        data_mode: raw or cdm; the unit's own when empty.
        policy: Fields of the unit's policy to override in this run.
        staging_id: A staging block; the default area when empty.
        fresh: Plan anew although an unfinished run could be continued.

    Returns:
        The run's counters (``contracts.receipts.RunSummary`` as JSON).
    """
    ref = RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=sink_id)

    def body() -> dict[str, Any]:
        with open_workspace() as workspace:
            run = FlowUnitRun(workspace, ref, UUID(flow_run.id), get_run_logger())
            summary = run.execute(mode, data_mode, policy, staging_id, fresh=fresh)
        return summary.model_dump(mode="json")

    return ended(body)
