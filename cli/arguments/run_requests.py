"""What a run of a registered unit is asked: what the operator set, and the command line over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from contracts.receipts import RunRef

if TYPE_CHECKING:
    from contracts.unit import IngestionMode
    from flows.stages.plan import RunRequest
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
    from flows.operations.plans import request_now

    chosen = sink_id or workspace.config(endpoint_id, unit_id).sink_id or ""
    return request_now(workspace, RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=chosen), mode)
