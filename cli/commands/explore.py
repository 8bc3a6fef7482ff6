"""``nucleus preview`` and ``nucleus plan``: look before anything moves."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli import workspace
from cli.arguments.options import EndpointId, JsonFlag, SinkId, UnitId
from cli.terminal.output import Output, table

if TYPE_CHECKING:
    from contracts.plan import IngestionPlan
    from flows.wiring import Workspace


def preview(
    endpoint_id: EndpointId,
    unit_id: UnitId,
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many rows.")] = 10,
    where: Annotated[
        list[str] | None, typer.Option(metavar="CONDITION", help='Only rows like "status=open". Repeatable.')
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the first rows of a unit, in no promised order."""
    from cli.arguments.values import predicate
    from flows.operations.cells import texts

    conditions = [predicate(each) for each in where or ()]

    def look(ws: "Workspace") -> Any:
        return ws.source(endpoint_id).preview(ws.unit(endpoint_id, unit_id), limit, conditions)

    columns, rows = texts(workspace.in_workspace(look))
    data = [dict(zip(columns, row, strict=True)) for row in rows]
    Output(as_json=as_json).show({"columns": columns, "rows": data}, table(f"{endpoint_id}/{unit_id}", columns, rows))


def plan(
    endpoint_id: EndpointId,
    unit_id: UnitId,
    *,
    mode: Annotated[
        Literal["full", "incremental"] | None,
        typer.Option(help="Read all, or what changed; else as configured."),
    ] = None,
    sink: SinkId = None,
    as_json: JsonFlag = False,
) -> None:
    """Show which slices a run would read, and why, without running it. With --sink, from its checkpoint."""
    from contracts.plan import explain

    def planned(ws: "Workspace") -> "IngestionPlan":
        from cli.arguments.run_requests import request_for
        from flows.stages.plan import make_plan
        from flows.stages.width import fitted

        request = request_for(ws, endpoint_id, unit_id, sink, mode)
        if request.ref.sink_id:
            request = fitted(ws.sink(request.ref.sink_id), request)
        return make_plan(ws.source(endpoint_id), request, None)

    plan = workspace.in_workspace(planned)
    Output(as_json=as_json).show({"plan": plan.model_dump(mode="json")}, explain(plan))
