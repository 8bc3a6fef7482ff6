"""``nucleus remap``: map staged rows to the common model again."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli import workspace
from cli.arguments.options import EndpointId, JsonFlag, SinkId, UnitId
from cli.terminal.output import Output, table

if TYPE_CHECKING:
    from flows.stages.remap import RemapSummary
    from flows.wiring import Workspace


def remap(
    endpoint_id: EndpointId,
    unit_id: UnitId,
    *,
    sink: SinkId = None,
    staging: Annotated[str | None, typer.Option(help="Id of a staging block; the default area when left out.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Map the unit's staged rows again with the current mapper, without asking the source for anything."""

    def done(ws: "Workspace") -> "RemapSummary":
        from cli.arguments.run_requests import sink_for
        from flows.operations.cdm import remap_unit

        return remap_unit(ws, endpoint_id, unit_id, sink_for(ws, endpoint_id, unit_id, sink), staging)

    summary = workspace.in_workspace(done)
    rows = [(name, value) for name, value in summary.model_dump(mode="json", exclude={"ref"}).items()]
    Output(as_json=as_json).show({"remap": summary.model_dump(mode="json")}, table(str(summary.ref), ("", ""), rows))
