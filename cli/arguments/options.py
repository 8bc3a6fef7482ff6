"""Options that several commands share, each spelled once."""

from typing import Annotated

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
