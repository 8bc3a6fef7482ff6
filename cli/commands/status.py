"""``nucleus status``: where every unit stands."""

from typing import Annotated

import typer

from cli import workspace
from cli.arguments.options import JsonFlag
from cli.terminal.output import Output, table


def status(
    endpoint_id: Annotated[str | None, typer.Argument(help="Only units of this endpoint.")] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Show the state and the last run of every unit that ever ran."""
    from flows.local.services import failing_services
    from flows.operations.statuses import states_of
    from flows.prefect_api.client import find_api, home_folder, running_api

    out = Output(as_json=as_json)
    states = workspace.in_workspace(lambda ws: states_of(ws, endpoint_id))
    rows = [
        (each.endpoint_id, each.unit_id, each.sink_id, each.state,
         each.last_run_at and f"{each.last_run_at:%F %T}",
         (each.last_error or {}).get("code"), each.stats.get("rows_read"), each.waiting)
        for each in states
    ]  # fmt: skip
    columns = ("endpoint", "unit", "sink", "state", "last run (UTC)", "error", "rows read", "next run")
    api_url = find_api()
    problems = out.problems(failing_services(api_url, home_folder() if api_url == running_api() else None))
    units = [each.model_dump(mode="json") for each in states]
    out.show({"units": units, "problems": problems}, table("", columns, rows))
