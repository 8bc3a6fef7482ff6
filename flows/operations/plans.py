"""Which slices a run of a registered unit would read now, without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdm_mappers.registry import model_for
from flows.stages.plan import RunRequest, make_plan
from flows.stages.width import fitted
from state.units import effective_policy

if TYPE_CHECKING:
    from contracts.plan import IngestionPlan
    from contracts.receipts import RunRef
    from contracts.unit import IngestionMode
    from flows.wiring import Workspace


def plan_now(workspace: Workspace, ref: RunRef, mode: IngestionMode | None) -> IngestionPlan:
    """The plan of the unit as it is configured, from its saved checkpoint; the source is asked, nothing is written.

    Args:
        workspace: Endpoints and state.
        ref: What would run; an empty ``sink_id`` for a unit that has no sink yet.
        mode: The configured one when None.

    Raises:
        MetadataError: The unit is not in the catalog.
        PlanError: It cannot be read so.
    """
    unit, config = workspace.unit(ref.endpoint_id, ref.unit_id), workspace.config(ref.endpoint_id, ref.unit_id)
    chosen = mode or config.mode
    saved = workspace.checkpoints(workspace.vendor(ref.endpoint_id)).progress(ref) if ref.sink_id else None
    request = RunRequest(
        ref=ref,
        unit=unit,
        mode=chosen,
        policy=effective_policy(unit, config, None),
        checkpoint=saved if chosen == "incremental" else None,
        cdm_model=model_for(unit, config.data_mode),
    )
    if ref.sink_id:
        request = fitted(workspace.sink(ref.sink_id), request)
    return make_plan(workspace.source(ref.endpoint_id), request, None)
