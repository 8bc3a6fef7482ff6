"""``nucleus up`` and ``nucleus down``: a control plane and an API of one's own, on loopback."""

from typing import Annotated

import typer

from cli.interrupt import interruptible
from cli.options import JsonFlag
from cli.output import Output


def up(
    *,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port on 127.0.0.1; a free one when left out.")
    ] = None,
    api: Annotated[bool, typer.Option("--api/--no-api", help="Start the API too: webhook and GraphQL.")] = True,
    api_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the API on 127.0.0.1; a free one when left out.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Start a Prefect server, a worker, the deployments and the API on loopback, and leave them running."""
    from flows.local import up as control_plane

    out = Output(as_json=as_json)
    out.note("Starting; the first time takes some ten seconds.")
    note = interruptible(lambda: control_plane.up(port=port, api=api, api_port=api_port))
    data = {"api_url": note.api_url, "ui_url": note.ui_url, "home": str(note.home), "pids": note.pids}
    door = "" if note.door_url is None else f"The API answers at {note.door_url}; its keys are in api.json there. "
    words = f"Prefect runs at {note.ui_url}; state and logs are in {note.home}. {door}End it with: nucleus down"
    out.show({"control_plane": {**data, "door_url": note.door_url}}, words)


def down(*, as_json: JsonFlag = False) -> None:
    """End what `nucleus up` started. Everything that was saved stays."""
    from flows.local import up as control_plane

    was_running = interruptible(control_plane.down)
    Output(as_json=as_json).show({"ended": was_running}, "Ended." if was_running else "Nothing was running.")
