"""``nucleus verify``: source against sink, slice by slice, without moving a row."""

from typing import TYPE_CHECKING

from cli import workspace
from cli.arguments.options import EndpointId, JsonFlag, SinkId, UnitId
from cli.terminal.output import Output

if TYPE_CHECKING:
    from flows.stages.verify import VerifyReport
    from flows.wiring import Workspace


def verify(endpoint_id: EndpointId, unit_id: UnitId, *, sink: SinkId = None, as_json: JsonFlag = False) -> None:
    """Compare source and sink by counts and content hashes; exit code 3 names the slices that differ."""
    from cli.arguments.run_requests import request_for, sink_for
    from cli.terminal.summary import verify_json, verify_words
    from flows.stages import verify as stage
    from flows.stages.plan import make_plan

    def compared(ws: "Workspace") -> "VerifyReport":
        sink_id = sink_for(ws, endpoint_id, unit_id, sink)
        source, target = ws.source(endpoint_id), ws.sink(sink_id)
        return stage.verify(
            source, target, make_plan(source, request_for(ws, endpoint_id, unit_id, sink_id, "full"), None)
        )

    report = workspace.in_workspace(compared)
    stage.refuse_differences(report)
    Output(as_json=as_json).show({"verify": verify_json(report)}, verify_words(report))
