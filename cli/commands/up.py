"""``nucleus up`` and ``nucleus down``: a control plane and an API of one's own, on loopback."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments.options import JsonFlag
from cli.terminal.interrupts import interruptible
from cli.terminal.output import Output

if TYPE_CHECKING:
    from flows.local.control_plane import LocalControlPlane


def up(
    *,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port on 127.0.0.1; a free one when left out.")
    ] = None,
    api: Annotated[bool, typer.Option("--api/--no-api", help="Start the API too: webhook and GraphQL.")] = True,
    api_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the API on 127.0.0.1; a free one when left out.")
    ] = None,
    console_token: Annotated[
        bool, typer.Option("--console-token", help="Let the console ask for a token on this machine too.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Start a Prefect server, a worker, the deployments and the API on loopback, and leave them running."""
    from flows.local import up as control_plane
    from flows.local.services import SECOND_TRY_S, failing_services
    from flows.prefect_api.client import login_file

    out = Output(as_json=as_json)
    out.note("Starting; the first time takes some ten seconds.")
    running = interruptible(
        lambda: control_plane.up(port=port, api=api, api_port=api_port, console_open=not console_token)
    )
    problems = failing_services(running.api_url, running.home, second_try_s=SECOND_TRY_S)
    url = running.nucleus_api_url
    login = login_file(running.home)
    data = {
        "api_url": running.api_url,
        "login_file": str(login),
        "ui_url": running.ui_url,
        "home": str(running.home),
        "pids": running.pids,
        "door_url": url,
        "console_url": running.console_url,
        "console_open": running.console_open,
        "problems": out.problems(problems),
    }
    api_words = "" if url is None else f"The API answers at {url}; its keys are in api.json there. "
    login_words = f"A browser asks once for its password: the line in {login}. "
    console_words = "" if running.console_url is None else f"{console_line(running)} "
    words = f"Prefect runs at {running.ui_url}. {login_words}State and logs are in {running.home}. "
    out.show({"control_plane": data}, f"{words}{api_words}{console_words}End it with: nucleus down")


def console_line(running: "LocalControlPlane") -> str:
    """Where the console is, and whom it lets in."""
    if running.console_open:
        who = "Whoever is on this machine may use it without a token; `nucleus up --console-token` has it ask for one."
    else:
        who = "It asks for a token: one of those in api.json there."
    return f"The console is at {running.console_url}. {who}"


def down(*, as_json: JsonFlag = False) -> None:
    """End what `nucleus up` started. Everything that was saved stays."""
    from flows.local import up as control_plane

    was_running = interruptible(control_plane.down)
    Output(as_json=as_json).show({"ended": was_running}, "Ended." if was_running else "Nothing was running.")
