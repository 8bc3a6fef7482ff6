"""``nucleus catalog``: what an endpoint holds, as last collected."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli import workspace
from cli.arguments.options import EndpointId, JsonFlag
from cli.terminal.output import Output, mib, table

if TYPE_CHECKING:
    from contracts.catalog import CatalogDiff, CatalogSnapshot
    from flows.wiring import Workspace

app = typer.Typer(no_args_is_help=True, help="What an endpoint holds: datasets and their columns.")


@app.command()
def collect(endpoint_id: EndpointId, *, as_json: JsonFlag = False) -> None:
    """Read the endpoint's metadata and keep it; prints what changed since the last time."""

    def collected(ws: "Workspace") -> "tuple[CatalogSnapshot, CatalogDiff]":
        from flows.operations.collection import collect

        return collect(ws, endpoint_id)

    from flows.stages.collection import refuse_gaps_of

    snapshot, diff = workspace.in_workspace(collected)
    data = {"endpoint_id": endpoint_id, "version": snapshot.version, "datasets": len(snapshot.datasets)}
    words = f"{endpoint_id}: {len(snapshot.datasets)} dataset(s), version {snapshot.version}"
    Output(as_json=as_json).show({"catalog": data, "diff": diff.model_dump(mode="json")}, words, *_diff_lines(diff))
    refuse_gaps_of(snapshot)


@app.command()
def schedule(
    endpoint_id: EndpointId,
    when: Annotated[str, typer.Argument(help="A cron line (UTC), `every <seconds>`, or `off`.")],
    *,
    as_json: JsonFlag = False,
) -> None:
    """Collect the endpoint's catalog by itself, on a worker; `off` ends that."""

    def scheduled(ws: "Workspace") -> None:
        from flows.operations.collection import schedule_collection

        schedule_collection(ws, endpoint_id, None if when == "off" else when)

    workspace.in_workspace(scheduled)
    words = "is collected on demand only" if when == "off" else f"is collected at {when}"
    Output(as_json=as_json).show(
        {"endpoint_id": endpoint_id, "schedule": None if when == "off" else when},
        f"The catalog of {endpoint_id} {words}.",
    )


@app.command()
def show(
    endpoint_id: EndpointId,
    dataset_id: Annotated[str | None, typer.Argument(help="Show the columns of this dataset.")] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Show the collected datasets, or one with its columns."""
    snapshot = workspace.in_workspace(lambda ws: ws.catalogs.load(endpoint_id))
    out = Output(as_json=as_json)
    if dataset_id is None:
        rows = [
            (
                each.dataset_id,
                each.kind,
                each.rows_estimate,
                mib(each.bytes_estimate or 0),
                ", ".join(each.primary_key),
            )
            for each in snapshot.datasets
        ]
        listing = table(
            f"collected {snapshot.collected_at:%Y-%m-%d %H:%M} UTC",
            ("dataset", "kind", "~rows", "~size", "key"),
            rows,
        )
        out.show({"catalog": {**snapshot.model_dump(mode="json"), "version": snapshot.version}}, listing)
        return
    dataset = snapshot.dataset(dataset_id)
    columns = [
        (each.name, each.declared_type, "" if each.nullable else "not null", each.comment) for each in dataset.columns
    ]
    out.show(
        {"dataset": dataset.model_dump(mode="json")},
        table(dataset_id, ("column", "type", "", "comment"), columns),
    )


@app.command()
def diff(endpoint_id: EndpointId, *, as_json: JsonFlag = False) -> None:
    """Show what changed between the last two collections."""
    changes = workspace.in_workspace(lambda ws: ws.catalogs.diff(endpoint_id))
    Output(as_json=as_json).show({"diff": changes.model_dump(mode="json")}, *_diff_lines(changes))


def _diff_lines(diff: "CatalogDiff") -> list[str]:
    if diff.empty:
        return ["Nothing changed."]
    changed = [f"  ~ {dataset}: {line}" for dataset, lines in diff.changed.items() for line in lines]
    return [*(f"  + {each}" for each in diff.added), *(f"  - {each}" for each in diff.removed), *changed]
