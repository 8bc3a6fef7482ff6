"""``nucleus pause``, ``resume`` and ``watch``: units that run on workers, from outside."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli import workspace
from cli.arguments.options import EndpointId, JsonFlag, SinkId, UnitId
from cli.terminal.output import Output

if TYPE_CHECKING:
    from contracts.receipts import RunRef
    from flows.operations.run_control import Start
    from flows.prefect_api.runs import Run
    from flows.wiring import Workspace

_LOOK_EVERY_S = 1.0


def pause(endpoint_id: EndpointId, unit_id: UnitId, *, sink: SinkId = None, as_json: JsonFlag = False) -> None:
    """Pause a unit after the slices in progress, and suspend its schedule until `nucleus resume`."""

    def paused(ws: "Workspace") -> "Run | None":
        from flows.operations.run_control import pause as ask

        return ask(ws, _ref(ws, endpoint_id, unit_id, sink))

    run = workspace.in_workspace(paused)
    words = "Its run ends after the slices in progress." if run else "It has no active run."
    data = {"run_id": run.run_id if run else None, "state": "PAUSED"}
    Output(as_json=as_json).show({"paused": data}, f"{words} It is held until: nucleus resume {endpoint_id} {unit_id}")


def resume(endpoint_id: EndpointId, unit_id: UnitId, *, sink: SinkId = None, as_json: JsonFlag = False) -> None:
    """Let a worker run the unit: it resumes with the remaining slices. Ends a pause."""

    def resumed(ws: "Workspace") -> "Start":
        from flows.operations.run_control import start

        ws.runnable(endpoint_id, unit_id)
        ref = _ref(ws, endpoint_id, unit_id, sink)
        return start(ws, ref, ref.model_dump())

    run, ended_pause = workspace.in_workspace(resumed)
    over = "The pause is over. " if ended_pause else ""
    words = f"{over}Run {run.run_id} is {run.name or run.state}. See it: nucleus watch {endpoint_id} {unit_id}"
    Output(as_json=as_json).show({"run": {"run_id": run.run_id, "state": run.state}}, words)


def watch(
    endpoint_id: EndpointId,
    unit_id: UnitId,
    *,
    sink: SinkId = None,
    wait_s: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait for a run to begin, if none is active.")
    ] = 0.0,
    as_json: JsonFlag = False,
) -> None:
    """Follow a running unit to its end, in whatever process it runs. Exit code 1 when it fails."""
    out = Output(as_json=as_json)

    def followed(ws: "Workspace") -> dict[str, object]:
        from cli.terminal.following import follow
        from flows.operations.statuses import state_of

        ref = _ref(ws, endpoint_id, unit_id, sink)
        follow(ws, ref, out.note, wait_s=wait_s, look_every_s=_LOOK_EVERY_S)
        return state_of(ws, ref).model_dump(mode="json")

    state = workspace.in_workspace(followed)
    error = state["last_error"] if state["state"] == "FAILED" else None
    words = f"{endpoint_id}/{unit_id} is {state['state']}"
    out.show({"unit": state}, f"{words}: {error['code']}, {error['message']}" if isinstance(error, dict) else words)
    if state["state"] == "FAILED":
        raise typer.Exit(1)


def _ref(ws: "Workspace", endpoint_id: str, unit_id: str, sink: str | None) -> "RunRef":
    from cli.arguments.run_requests import sink_for
    from contracts.receipts import RunRef

    ws.unit(endpoint_id, unit_id)
    return RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=sink_for(ws, endpoint_id, unit_id, sink))
