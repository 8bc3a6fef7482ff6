"""Options that several commands share, each spelled once."""

from typing import Annotated, Literal

import typer

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout; words for people go to stderr.")
]
EndpointId = Annotated[str, typer.Argument(help="Id of a registered endpoint.")]
UnitId = Annotated[str, typer.Argument(help="Id of a unit, as `nucleus unit list` shows it.")]
SinkId = Annotated[str | None, typer.Option("--sink", help="Id of the endpoint that rows go to.")]
FreshFlag = Annotated[bool, typer.Option("--fresh", help="Make a new plan even if an unfinished run could be resumed.")]
AdoptFlag = Annotated[
    bool,
    typer.Option("--adopt", help="Take over a target that another unit owns, or that holds rows no run wrote."),
]
Gone = Literal["delete", "tombstone", "ignore"]
KeyColumns = Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="Column of the key to use. Repeatable.")]
# Without a type: what a command leaves out is a default of the command, or of the unit.
ON_GONE = typer.Option(help="What happens to rows that are gone at the source.")
MAX_DELETE_FRACTION = typer.Option(min=0.0, max=1.0, help="A run that would remove more of the target stops.")
SLICE_SIZE = typer.Option(help="Size that slices are cut to, 64KiB or more.")
PARALLEL = typer.Option(min=1, max=64, help="Slices in flight at the same time.")
