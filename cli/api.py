"""``nucleus api``: webhook and GraphQL, in this process."""

from typing import Annotated

import typer

from cli import workspace
from cli.options import JsonFlag
from cli.output import Output

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
    from metadata_api.settings import load_settings

    with workspace.open_workspace() as opened:
        settings = load_settings(opened.home)
        data = {"url": f"http://{host}:{port}", "prefect_api_url": str(opened.plane.client.api_url)}
        home = opened.home
    words = f"The API answers at {data['url']}; keys that nobody set are in {home / 'api.json'}."
    Output(as_json=as_json).show({"api": {**data, "signing_keys": [*settings.signing_keys]}}, words)

    from metadata_api.serve import serve

    serve(host, port)
