"""``nucleus staging``: what lies between sources and sinks."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli import workspace
from cli.arguments.options import JsonFlag
from cli.terminal.output import Output, mib, table

if TYPE_CHECKING:
    from contracts.staging import StagedSessionInfo
    from flows.wiring import Workspace
    from staging.expiry import CleanReport

app = typer.Typer(no_args_is_help=True, help="What lies between sources and sinks.")
Area = Annotated[str | None, typer.Option("--staging", help="Id of a staging block; the default area when left out.")]


@app.command("list")
def list_sessions(
    *,
    staging: Area = None,
    endpoint_id: Annotated[str | None, typer.Option("--endpoint", help="Only sessions of this endpoint.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List staged sessions: open, sealed, or consumed by a sink."""

    def listed(ws: "Workspace") -> "list[StagedSessionInfo]":
        return list(ws.staging(staging).sessions(endpoint_id))

    sessions = workspace.in_workspace(listed)
    rows = [
        (each.key, each.state, each.rows, mib(each.bytes), f"{each.modified_at:%Y-%m-%d %H:%M:%S}") for each in sessions
    ]
    columns = ("session", "state", "rows", "size", "changed (UTC)")
    Output(as_json=as_json).show(
        {"sessions": [each.model_dump(mode="json") for each in sessions]}, table("", columns, rows)
    )


@app.command()
def clean(
    *,
    staging: Area = None,
    older_than_h: Annotated[
        float, typer.Option("--older-than-hours", min=0.0, help="Age at which a session goes.")
    ] = 24.0,
    consumed_h: Annotated[
        float, typer.Option("--consumed-hours", min=0.0, help="Age at which one goes that a sink has taken.")
    ] = 24.0,
    as_json: JsonFlag = False,
) -> None:
    """Remove what is past its time to live, never what a live run needs."""
    from staging.expiry import clean as remove_expired

    now = datetime.now(UTC)

    def cleaned(ws: "Workspace") -> "CleanReport":
        from flows.clean_staging import live_run_ids

        return remove_expired(
            ws.staging(staging),
            ttl_s=older_than_h * 3600,
            consumed_ttl_s=consumed_h * 3600,
            now=now,
            live_run_ids=live_run_ids(ws, now),
        )

    report = workspace.in_workspace(cleaned)
    removed = f"{report.removed_sessions} session(s), {mib(report.removed_bytes)}"
    words = f"Removed {removed}; kept {report.kept_sessions}."
    failed = (f"Not removed: {each}" for each in report.failures)
    Output(as_json=as_json).show({"cleaned": report.model_dump(mode="json")}, words, *failed)
