"""``nucleus connector``: from a notebook to a connector that runs."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.arguments.options import JsonFlag
from cli.terminal.output import Output

app = typer.Typer(no_args_is_help=True, help="From a notebook to a connector: make, check, promote.")

Name = Annotated[str, typer.Argument(help="Of the connector: promoted, or still in notebooks/prototypes.")]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="ID", help="A check or a group of checks. Repeatable; all when left out."),
]
Root = Annotated[
    Path, typer.Option("--root", help="The repository that the connector goes to; this folder when left out.")
]


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Of the connector, as a module is named.")],
    *,
    root: Root = Path(),
    as_json: JsonFlag = False,
) -> None:
    """Make a notebook that runs as it is, to be changed cell by cell into the connector."""
    from connector_kit.template.new import new as make

    path = make(name, root.resolve())
    words = f"Open {path}: `make notebooks`, or any Jupyter. Then: nucleus connector check {name}"
    Output(as_json=as_json).show({"notebook": str(path)}, words)


@app.command()
def check(
    name: Name,
    *,
    only: Only = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the scorecard as a page, too.")] = None,
    root: Root = Path(),
    as_json: JsonFlag = False,
) -> None:
    """Put a connector through every fault of the kit; exit code 1 when it fails a check."""
    from connector_kit.promote.check_connector import checked

    cards, problems = checked(name, root.resolve(), tuple(only or ()))
    if html is not None:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text("\n".join(card.html for card in cards), encoding="utf-8")
    notes = [f"Before it can be promoted: {problem}" for problem in problems]
    Output(as_json=as_json).show(
        {"scorecards": [json.loads(card.json) for card in cards], "notes": notes},
        *(card.text for card in cards),
        *notes,
    )
    if not all(card.good for card in cards):
        sys.stdout.flush()
        raise typer.Exit(1)


@app.command()
def record(
    name: Name,
    *,
    only: Only = None,
    root: Root = Path(),
    as_json: JsonFlag = False,
) -> None:
    """Make the checks against the live system, keep the traffic without secrets, and make them again from it."""
    from connector_kit.promote.check_connector import recorded

    path, done = recorded(name, root.resolve(), tuple(only or ()))
    differences = [each for one in done for each in one["differences"]]
    kept = f"Kept in {path}: {done[-1]['exchanges']:,} exchanges. "
    kept += "From there every core check passes that passed live." if not differences else "From there not all passes:"
    data = {"cassette": str(path), "recorded": [{**one, "text": None} for one in done]}
    Output(as_json=as_json).show(data, *(one["text"] for one in done), kept, *differences)
    if differences or any(one["live"]["counts"]["failed"] for one in done):
        sys.stdout.flush()
        raise typer.Exit(1)


@app.command()
def promote(
    notebook: Annotated[Path, typer.Argument(help="The prototype, for example notebooks/prototypes/acme.ipynb.")],
    *,
    root: Root = Path(),
    as_json: JsonFlag = False,
) -> None:
    """Move the tagged cells to modules, if checks, types and lint pass. A second time changes nothing."""
    from connector_kit.promote.check_connector import PromotionChecks
    from connector_kit.promote.promotion import promote as move

    checks = PromotionChecks(root.resolve(), notebook.stem)
    done = move(notebook, root.resolve(), check=checks)
    data = {
        "name": done.name,
        "written": [*done.written],
        "notes": [*done.notes],
        "changed": done.changed,
        "checks": [*checks.headlines],
    }
    Output(as_json=as_json).show({"promotion": data}, str(done), *checks.headlines)
