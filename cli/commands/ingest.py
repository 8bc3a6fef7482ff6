"""``nucleus ingest``: one registered unit, now, in this process, on the record of the Prefect server."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli import workspace
from cli.arguments.options import AdoptFlag, EndpointId, FreshFlag, JsonFlag, SinkId, UnitId
from cli.terminal.output import Output

if TYPE_CHECKING:
    from contracts.receipts import RunSummary
    from flows.wiring import Workspace


def ingest(
    endpoint_id: EndpointId,
    unit_id: UnitId,
    *,
    sink: SinkId = None,
    mode: Annotated[
        Literal["full", "incremental"] | None, typer.Option(help="Read all, or what changed; else as configured.")
    ] = None,
    data_mode: Annotated[
        Literal["raw", "cdm"] | None,
        typer.Option(help="Rows as they are, or of the common model; else as configured."),
    ] = None,
    staging: Annotated[str | None, typer.Option(help="Id of a staging block; the default area when left out.")] = None,
    fresh: FreshFlag = False,
    adopt: AdoptFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Move one unit to its sink. Run it again to continue or to bring the sink up to date."""
    from cli.arguments.run_requests import sink_for
    from cli.terminal.summary import summary_table

    def admitted(ws: "Workspace") -> str:
        # Asked here first: a missing server or a disabled unit needs no flow run to be told.
        ws.runnable(endpoint_id, unit_id)
        return sink_for(ws, endpoint_id, unit_id, sink)

    sink_id = workspace.in_workspace(admitted)
    parameters = {"mode": mode, "data_mode": data_mode, "staging_id": staging, "fresh": fresh, "adopt": adopt}
    summary = _run(endpoint_id, unit_id, sink_id, parameters, Output(as_json=as_json))
    Output(as_json=as_json).show({"run": summary.model_dump(mode="json")}, summary_table(summary))


def _run(endpoint_id: str, unit_id: str, sink_id: str, parameters: dict[str, Any], out: Output) -> "RunSummary":
    from cli.terminal.failures import Interrupted
    from cli.terminal.interrupts import interruptible
    from cli.terminal.progress import observe
    from contracts.receipts import RunSummary
    from flows.execution.heartbeat import own_heartbeats
    from flows.execution.unit_run import attach
    from flows.ingest_unit import ingest_unit
    from flows.stages.export import RunStopped
    from flows.stages.slices import RunControl

    control = RunControl()
    with observe(as_json=out.as_json) as observer:

        def run_flow() -> Any:
            with attach(observer, control), own_heartbeats():
                return ingest_unit(endpoint_id, unit_id, sink_id, **parameters)

        try:
            result = interruptible(run_flow, control.stop, out.note)
        except (RunStopped, Interrupted):
            raise Interrupted(f"{observer.so_far}; the same command again continues there.") from None
    return RunSummary.model_validate(result)
