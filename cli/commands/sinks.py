"""``nucleus sink``: how other programs read a sink's tables, and the tables' upkeep."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli import workspace
from cli.arguments.options import EndpointId, JsonFlag, SinkId, UnitId
from cli.terminal.output import Output

if TYPE_CHECKING:
    from contracts.receipts import RunRef
    from flows.wiring import Workspace

app = typer.Typer(no_args_is_help=True, help="How other programs read a sink's tables, and the tables' upkeep.")


@app.command()
def show(
    endpoint_id: EndpointId,
    unit_id: Annotated[str | None, typer.Argument(help="Only this unit.")] = None,
    *,
    sink: SinkId = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the lines that read the tables of an endpoint's units, as they are now, in other programs."""

    def lines(ws: "Workspace") -> "dict[str, dict[str, str]]":
        from contracts.traits import SupportsOtherReaders

        shown = {}
        for ref in _refs(ws, endpoint_id, unit_id, sink):
            target = ws.sink(ref.sink_id)
            if isinstance(target, SupportsOtherReaders):
                shown[f"{ref.unit_id} in {ref.sink_id}"] = target.reading_lines(ref)
        return shown

    found = workspace.in_workspace(lines)
    words = []
    for table, each in found.items():
        words += [table, *(f"  {program}:\n    {line}" for program, line in each.items())]
    Output(as_json=as_json).show({"tables": found}, "\n".join(words) or "No table that other programs read as files.")


@app.command()
def compact(endpoint_id: EndpointId, unit_id: UnitId, *, sink: SinkId = None, as_json: JsonFlag = False) -> None:
    """Write small files as large ones, and remove what is left of old versions and of runs that were cut off."""

    def tidied(ws: "Workspace") -> "list[str]":
        from contracts.traits import SupportsCompaction

        done: list[str] = []
        for ref in _refs(ws, endpoint_id, unit_id, sink):
            target = ws.sink(ref.sink_id)
            if isinstance(target, SupportsCompaction):
                done += target.compact(ref)
        return done

    done = workspace.in_workspace(tidied)
    Output(as_json=as_json).show({"compacted": done}, "\n".join(done) or "Nothing to do.")


def _refs(ws: "Workspace", endpoint_id: str, unit_id: str | None, sink: str | None) -> "list[RunRef]":
    """One unit in the sink that is its own or named; else every unit that was run, in every sink or that."""
    if unit_id is not None:
        from cli.arguments.run_requests import sink_for
        from contracts.receipts import RunRef

        chosen = sink_for(ws, endpoint_id, unit_id, sink)
        return [RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=chosen)]
    from flows.operations.upkeep import written_refs

    return written_refs(ws, endpoint_id, sink)
