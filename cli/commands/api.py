"""``nucleus api``: webhook and GraphQL, in place of this process."""

import os
import sys
from typing import Annotated

import typer

from cli import workspace
from cli.arguments.options import JsonFlag

LOOPBACK = "127.0.0.1"


def api(
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than loopback need TLS before it.")
    ] = LOOPBACK,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8400,
    as_json: JsonFlag = False,
) -> None:
    """Serve the webhook and GraphQL for the Prefect server in use, until Ctrl-C."""
    # Asked first: without a server there is nothing to serve. The API is a room of its own, so it is a program too.
    workspace.in_workspace(lambda ws: ws.plane.call("GET", "/health"))
    command = [sys.executable, "-m", "metadata_api", host, str(port), *(["--json"] if as_json else [])]
    os.execv(sys.executable, command)  # noqa: S606 - our own module
