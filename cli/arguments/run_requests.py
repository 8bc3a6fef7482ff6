"""What a run of a registered unit is asked: what the operator set, and the command line over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from contracts.receipts import RunRef
from flows.stages.plan import RunRequest

if TYPE_CHECKING:
    from contracts.unit import IngestionMode
    from flows.wiring import Workspace


def sink_for(workspace: Workspace, endpoint_id: str, unit_id: str, sink_id: str | None) -> str:
    """The sink named on the command line, else the configured one.

    Raises:
        typer.BadParameter: Neither is there.
    """
    chosen = sink_id or workspace.units.config(endpoint_id, unit_id).sink_id
    if chosen is None:
        raise typer.BadParameter(
            f"Which sink? Add --sink, or set one: nucleus unit configure {endpoint_id} {unit_id} --sink ID."
        )
    return chosen


def request_for(
    workspace: Workspace, endpoint_id: str, unit_id: str, sink_id: str | None, mode: IngestionMode | None
) -> RunRequest:
    """The request that planning or comparing needs; the checkpoint is the saved one of that sink.

    Raises:
        MetadataError: The unit is not in the catalog.
    """
    from state.units import effective_policy

    unit, config = workspace.unit(endpoint_id, unit_id), workspace.units.config(endpoint_id, unit_id)
    ref = RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=sink_id or config.sink_id or "")
    chosen = mode or config.mode
    saved = workspace.checkpoints(workspace.vendor(endpoint_id)).progress(ref) if ref.sink_id else None
    start = saved if chosen == "incremental" else None
    return RunRequest(ref=ref, unit=unit, mode=chosen, policy=effective_policy(unit, config, None), checkpoint=start)
