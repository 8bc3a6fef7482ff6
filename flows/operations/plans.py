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


def request_now(workspace: Workspace, ref: RunRef, mode: IngestionMode | None) -> RunRequest:
    """What a run of the unit as it is configured would be asked, from its saved checkpoint; rows are not mapped.

    Args:
        workspace: Endpoints and state.
        ref: What would run; an empty ``sink_id`` for a unit that has no sink yet.
        mode: The configured one when None.

    Raises:
        MetadataError: The unit is not in the catalog.
    """
    unit, config = workspace.unit(ref.endpoint_id, ref.unit_id), workspace.config(ref.endpoint_id, ref.unit_id)
    chosen = mode or config.mode
    saved = workspace.checkpoints(workspace.vendor(ref.endpoint_id)).progress(ref) if ref.sink_id else None
    return RunRequest(
        ref=ref,
        unit=unit,
        mode=chosen,
        policy=effective_policy(unit, config, None),
        checkpoint=saved if chosen == "incremental" else None,
    )


def plan_now(workspace: Workspace, ref: RunRef, mode: IngestionMode | None) -> IngestionPlan:
    """The plan of that request with the configured common model; the source is asked, nothing is written.

    Raises:
        MetadataError: The unit is not in the catalog.
        PlanError: It cannot be read so.
    """
    request = request_now(workspace, ref, mode)
    model = model_for(request.unit, workspace.config(ref.endpoint_id, ref.unit_id).data_mode)
    request = request.model_copy(update={"cdm_model": model})
    if ref.sink_id:
        request = fitted(workspace.sink(ref.sink_id), request)
    return make_plan(workspace.source(ref.endpoint_id), request, None)
