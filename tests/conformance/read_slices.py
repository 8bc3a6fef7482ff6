"""Plans a unit and reads its slices through the source alone, as the stages do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from contracts.endpoint import PlanRequest
from flows.stages.export import Export

if TYPE_CHECKING:
    from contracts.plan import IngestionPlan, SliceReport
    from contracts.unit import EndpointUnitDescriptor


def plan(
    source: Any, unit: EndpointUnitDescriptor, mode: Any = "full", checkpoint: Any = None, policy: Any = None
) -> IngestionPlan:
    """The unit's plan, from the checkpoint on if there is one; the unit's own policy if none is given."""
    request = PlanRequest(
        endpoint_id="endpoint", unit=unit, mode=mode, policy=policy or unit.default_policy, checkpoint=checkpoint
    )
    made: IngestionPlan = source.plan(request)
    return made


def rows(source: Any, made: IngestionPlan, piece: Any) -> tuple[pl.DataFrame, SliceReport]:
    """All rows of one slice, and what the source reports of them."""
    export = Export(source, made, piece, None)
    return pl.concat(list(export)), export.report
