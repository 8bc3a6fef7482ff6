"""``nucleus doctor``: which driver moves the rows, and what that costs on this machine."""

from contextlib import closing
from typing import Annotated, Any

import typer

from cli.arguments.options import JsonFlag
from cli.terminal.output import Output


def doctor(
    url: Annotated[str, typer.Argument(help="A database that may be written to; only a temporary table is made.")],
    *,
    as_json: JsonFlag = False,
) -> None:
    """Tell which driver library and which encoder are in use, and what reading and writing rows costs."""
    from cli.arguments.urls import endpoint_of
    from cli.terminal.interrupts import interruptible
    from contracts.errors import EndpointUnknownError
    from contracts.traits import SupportsDriverReport

    with closing(endpoint_of(url, "sink").sink()) as sink:
        if not isinstance(sink, SupportsDriverReport):
            raise EndpointUnknownError("This sink moves rows without a driver library", "Give the URL of a database.")
        report = interruptible(sink.driver_report)
    Output(as_json=as_json).show({"driver": report}, _words(report))


def _words(report: dict[str, Any]) -> str:
    origin = "named by an operator" if report["is_named"] else "of the installed package"
    lines = [f"{report['version']}, {origin}: {report['library']}", f"  rows are encoded by: {report['encoder']}"]
    for name in ("read", "write"):
        spent, moved = report[name], f"{report['rows']:,} rows of {report['columns']} columns"
        lines.append(f"  {name:5} {moved}: {spent['cpu_seconds']:.3f} s of CPU, {spent['seconds']:.3f} s")
    return "\n".join(lines)
