"""The ``nucleus`` command. Every group is a module of its own; each loads what it needs when it runs."""

import os
import sys
from io import TextIOWrapper

import typer

from cli.commands import catalogs, cdm, checkpoints, connectors, endpoints, sinks, staging_area, templates, units
from cli.commands.api import api
from cli.commands.copy import copy
from cli.commands.doctor import doctor
from cli.commands.explore import plan, preview
from cli.commands.ingest import ingest
from cli.commands.lineage import lineage
from cli.commands.remap import remap
from cli.commands.run_control import pause, resume, watch
from cli.commands.status import status
from cli.commands.up import down, up
from cli.commands.verify import verify
from cli.terminal.guard import GuardedGroup
from cli.terminal.redaction import hide_from_process_list

app = typer.Typer(
    name="nucleus",
    cls=GuardedGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Move tables and API data from sources to sinks: exact, restartable, bounded.",
)
for command in (
    copy,
    up,
    down,
    api,
    preview,
    plan,
    ingest,
    pause,
    resume,
    watch,
    remap,
    verify,
    lineage,
    status,
    doctor,
):
    app.command()(command)
for name, group in (
    ("template", templates),
    ("endpoint", endpoints),
    ("catalog", catalogs),
    ("unit", units),
    ("cdm", cdm),
    ("checkpoint", checkpoints),
    ("sink", sinks),
    ("staging", staging_area),
    ("connector", connectors),
):
    app.add_typer(group.app, name=name)


def main() -> None:
    """Entry point of the console script."""
    hide_from_process_list(sys.argv[1:])
    _print_whatever_the_encoding()
    try:
        app()
    except SystemExit as end:
        if end.code:
            _leave(end.code)
        raise


def _print_whatever_the_encoding() -> None:
    """A character that a pipe's encoding lacks becomes ``?``: it must not fail a run that is committed."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _leave(code: str | int) -> None:
    """Exit without taking the interpreter apart.

    After a failure there may be threads that wait for a server which never answers, and half-read streams whose
    driver complains when it is collected in the wrong order. Leaving is safe at any point (I3).
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main()
