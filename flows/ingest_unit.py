"""Flow: move one unit from its source through staging to a sink; run it again to resume it."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelled
from prefect.task_runners import ThreadPoolTaskRunner

from contracts.errors import RunPausedError
from contracts.receipts import RunRef
from flows.execution.events import emit_ended
from flows.execution.heartbeat import heartbeats
from flows.execution.outcome import mark_orphan_failed, to_flow_state
from flows.execution.pausing import PAUSED, pausable
from flows.execution.run_workspace import run_workspace
from flows.execution.turns import Turns
from flows.execution.unit_run import FlowUnitRun, attached_control, executor_of
from flows.operations.enrichment import enrich

MOST_IN_FLIGHT = 64
"""The largest ``parallel_slices``; threads are made as slices need them."""


@flow(
    name="ingest-unit",
    flow_run_name="{endpoint_id}/{unit_id} → {sink_id}",
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_IN_FLIGHT),  # type: ignore[arg-type]  # its own annotation
    on_completion=[emit_ended],
    on_failure=[mark_orphan_failed, emit_ended],
    on_crashed=[mark_orphan_failed, emit_ended],
    on_cancellation=[mark_orphan_failed, emit_ended],
)
def ingest_unit(  # noqa: PLR0913, PLR0917 - Prefect passes parameters by name
    endpoint_id: str,
    unit_id: str,
    sink_id: str | None = None,
    mode: Literal["full", "incremental"] | None = None,
    data_mode: Literal["raw", "cdm"] | None = None,
    policy: dict[str, Any] | None = None,
    staging_id: str | None = None,
    fresh: bool = False,  # noqa: FBT001, FBT002 - Prefect passes parameters by name
    checkpoint: dict[str, Any] | None = None,
    adopt: bool = False,  # noqa: FBT001, FBT002 - Prefect passes parameters by name
    task_runner: Literal["threads", "dask"] | None = None,
    dask_scheduler: str | None = None,
) -> Any:
    """Move one unit.

    Args:
        endpoint_id: The source.
        unit_id: A unit of its catalog.
        sink_id: The endpoint that takes the rows. When empty, only the knowledge graph is told, of the unit's projects,
            spaces, drives or people: no row is moved, and mode, data_mode, staging_id and what follows mean nothing.
        mode: full or incremental; the unit's own when empty.
        data_mode: raw or cdm; the unit's own when empty.
        policy: Fields of the unit's policy to override in this run.
        staging_id: A staging block; the default area when empty.
        fresh: Make a new plan even if an unfinished run could be resumed.
        checkpoint: Where an incremental run begins, in the source's own form; where the last one ended when empty.
        adopt: Take the target over if it belongs to another unit, or holds rows that no run wrote.
        task_runner: Where slices are carried out: threads of this process, also when empty, or the workers of a Dask
            cluster.
        dask_scheduler: Address of the cluster's scheduler; NUCLEUS_DASK_SCHEDULER, else a cluster of processes on this
            machine, when empty.

    A run that meets another run of its unit waits for its turn (``flows.execution.turns``).

    Returns:
        The run's counters (``contracts.receipts.RunSummary`` as JSON); without a sink ``{entities, node_type, …}``.
    """
    if sink_id is None:
        return to_flow_state(lambda: _tell_entities(endpoint_id, unit_id, policy))
    ref = RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=sink_id)

    def body() -> Any:
        control = attached_control()
        try:
            with (
                heartbeats(flow_run.id),
                run_workspace() as workspace,
                pausable(workspace, ref, control),
            ):
                log = get_run_logger()
                is_first = flow_run.run_count == 1
                executor = executor_of(task_runner, staging_id, dask_scheduler, shows_phases=not workspace.is_shared)
                run = FlowUnitRun(workspace, ref, UUID(flow_run.id), log, control, executor, is_first_process=is_first)
                summary = Turns(workspace, ref, log, control).run(
                    lambda: run.execute(mode, data_mode, policy, staging_id, checkpoint, fresh=fresh, adopt=adopt)
                )
        except RunPausedError as error:
            return Cancelled(name=PAUSED, message=f"{error.code}: {error}", data=error)
        return summary.model_dump(mode="json")

    return to_flow_state(body)


def _tell_entities(endpoint_id: str, unit_id: str, policy: dict[str, Any] | None) -> dict[str, Any]:
    with heartbeats(flow_run.id), run_workspace() as workspace:
        told = enrich(workspace, endpoint_id, unit_id, policy)
    counts = {"node_type": told.node_type, "entities": told.entities, **told.receipt.model_dump()}
    get_run_logger().info("The knowledge graph was told of %s/%s: %s", endpoint_id, unit_id, counts)
    return counts
