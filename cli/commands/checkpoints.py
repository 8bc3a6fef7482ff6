"""``nucleus checkpoint``: how far each unit has come in each sink."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from cli import workspace
from cli.arguments.options import EndpointId, JsonFlag, SinkId, UnitId
from cli.terminal.output import Output, table

if TYPE_CHECKING:
    from contracts.model import Json
    from contracts.state import Checkpoint
    from flows.wiring import Workspace

app = typer.Typer(no_args_is_help=True, help="How far each unit has come in each sink.")


@app.command()
def show(
    endpoint_id: EndpointId,
    unit_id: Annotated[str | None, typer.Argument(help="Only this unit.")] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Show the saved checkpoints of an endpoint, with their watermarks per dimension (such as a project)."""
    from flows.operations.statuses import ref_of

    def saved_checkpoints(ws: "Workspace") -> "list[Checkpoint]":
        checkpoints = ws.checkpoints(ws.vendor(endpoint_id))
        every = [each for each in checkpoints.list(endpoint_id) if unit_id in {None, each.unit_id}]
        return [each.model_copy(update={"cursor": checkpoints.progress(ref_of(each)) or each.cursor}) for each in every]

    checkpoints = workspace.in_workspace(saved_checkpoints)
    rows = [
        (each.unit_id, each.sink_id, json.dumps(each.cursor), f"{each.last_updated_at:%Y-%m-%d %H:%M:%S}")
        for each in checkpoints
    ]
    columns = ("unit", "sink", "cursor", "saved (UTC)")
    Output(as_json=as_json).show(
        {"checkpoints": [each.model_dump(mode="json") for each in checkpoints]}, table(endpoint_id, columns, rows)
    )


@app.command()
def reset(endpoint_id: EndpointId, unit_id: UnitId, *, sink: SinkId = None, as_json: JsonFlag = False) -> None:
    """Forget a checkpoint: the next incremental run reads everything again. Rows stay."""
    from contracts.receipts import RunRef

    def forget(ws: "Workspace") -> bool:
        from cli.arguments.run_requests import sink_for
        from flows.operations.watermarks import forget_watermark

        ref = RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=sink_for(ws, endpoint_id, unit_id, sink))
        return forget_watermark(ws, ref)

    removed = workspace.in_workspace(forget)
    words = "Forgotten; the next incremental run reads everything." if removed else "There was no checkpoint."
    Output(as_json=as_json).show({"reset": removed}, words)


@app.command("set")
def set_(
    endpoint_id: EndpointId,
    unit_id: UnitId,
    value: Annotated[str, typer.Argument(help="A cursor value or a moment; or a whole checkpoint as a JSON object.")],
    *,
    sink: SinkId = None,
    as_json: JsonFlag = False,
) -> None:
    """Make the next incremental run begin elsewhere. Changes before that are taken to be in the sink."""
    from contracts.receipts import RunRef

    def move(ws: "Workspace") -> "Json":
        from cli.arguments.run_requests import sink_for
        from flows.operations.watermarks import set_watermark

        ref = RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=sink_for(ws, endpoint_id, unit_id, sink))
        return set_watermark(ws, ref, value, "nucleus checkpoint set")

    cursor = workspace.in_workspace(move)
    Output(as_json=as_json).show({"cursor": cursor}, f"The next incremental run begins at {json.dumps(cursor)}.")
