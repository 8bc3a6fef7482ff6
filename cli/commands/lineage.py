"""``nucleus lineage``: what is made of a dataset, as the knowledge graph knows it."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli import workspace
from cli.arguments.options import EndpointId, JsonFlag
from cli.terminal.output import Output, table
from contracts.knowledge import node_parts

if TYPE_CHECKING:
    from contracts.knowledge import KbNode, Neighbourhood
    from flows.wiring import Workspace


def lineage(
    endpoint_id: EndpointId,
    dataset_id: Annotated[str, typer.Argument(help="As `nucleus catalog show` lists it.")],
    *,
    as_json: JsonFlag = False,
) -> None:
    """Show the units, sinks and common tables of a dataset, and which common column is made of which column."""

    def known(ws: "Workspace") -> "Neighbourhood":
        from flows.operations.lineage import lineage as lineage_of

        ws.catalogs.load(endpoint_id).dataset(dataset_id)
        return lineage_of(ws, endpoint_id, dataset_id)

    found = workspace.in_workspace(known)
    nodes = {node.node_id: node for node in found.nodes}
    steps = [
        (nodes[edge.from_id].title, edge.edge_type.replace("_", " "), nodes[edge.to_id].title)
        for edge in found.edges
        if edge.edge_type in {"produces", "maps_to", "lands_in"}
    ]
    derived = sorted(
        (_column(nodes[edge.from_id]), nodes[edge.to_id].title)
        for edge in found.edges
        if edge.edge_type == "derived_from"
    )
    Output(as_json=as_json).show(
        found.model_dump(mode="json"),
        table(f"{endpoint_id}/{dataset_id}", ("from", "", "to"), steps),
        *([table("common columns", ("column", "made of"), derived)] if derived else []),
    )


def _column(node: "KbNode") -> str:
    """``cdm.work.item.updated_at``, from the node's logical key."""
    return ".".join(node_parts(node.node_id))
