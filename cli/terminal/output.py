"""Where the words of a command go: tables and sentences for people, or one JSON document for programs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console, RenderableType
    from rich.table import Table

    from contracts.errors import IngestionError

_WIDTH_OF_A_PIPE = 200


class Output:
    """With ``as_json`` stdout holds exactly one JSON document and everything else goes to stderr."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    def show(self, data: Mapping[str, Any], *people: RenderableType) -> None:
        """The result of the command, in the form that was asked for."""
        if self.as_json:
            typer.echo(json.dumps(data, default=str))
            return
        console = console_on(stderr=False)
        for each in people:
            console.print(each)

    def note(self, text: str) -> None:
        """A word beside the result: what goes on, what to do next. Always on stderr."""
        typer.echo(text, err=True)

    def problems(self, errors: Iterable[IngestionError]) -> list[dict[str, Any]]:
        """Say what is wrong though the command succeeded; the same as data, for :meth:`show`."""
        listed = list(errors)
        for error in listed:
            self.note(f"Warning: {error.code}: {error}")
        return [{"code": error.code, "message": str(error), **error.facts} for error in listed]


def console_on(*, stderr: bool) -> Console:
    """A console that prints names as they are: no markup, no highlighting, no 80 columns into a pipe."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDTH_OF_A_PIPE
    return Console(file=stream, markup=False, highlight=False, emoji=False, width=width)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of anything; None is an empty cell."""
    from rich.box import SIMPLE
    from rich.table import Table

    made = Table(title=title or None, box=SIMPLE, title_justify="left", title_style="bold")
    for name in columns:
        made.add_column(name, overflow="fold")
    for row in rows:
        made.add_row(*("" if cell is None else str(cell) for cell in row))
    return made


def mib(size_bytes: int) -> str:
    """``12.3 MiB``."""
    return f"{size_bytes / 2**20:,.1f} MiB"
