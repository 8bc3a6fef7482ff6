"""What is made of a dataset, as the knowledge graph knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.knowledge import Neighbourhood, node_id

if TYPE_CHECKING:
    from contracts.knowledge import EdgeType
    from flows.wiring import Workspace

_ONWARDS: tuple[EdgeType, ...] = ("produces", "maps_to", "lands_in")
_INWARDS: tuple[EdgeType, ...] = ("contains", "derived_from")


def lineage(workspace: Workspace, endpoint_id: str, dataset_id: str) -> Neighbourhood:
    """From a dataset and its columns to the units, sinks, common tables and common columns made of them.

    Nothing is there when the dataset is unknown.

    Raises:
        StateUnavailableError: The graph is away.
    """
    graph, start = workspace.graph, node_id("dataset", endpoint_id, dataset_id)
    onwards = graph.neighbours(start, _ONWARDS, depth=3, direction="out")
    columns = graph.neighbours(start, _INWARDS[:1], direction="out")
    nodes = {node.node_id: node for node in (*onwards.nodes, *columns.nodes)}
    edges = {edge.key: edge for edge in (*onwards.edges, *columns.edges)}
    for table in [node for node in onwards.nodes if node.node_type == "cdm_table"]:
        made = graph.neighbours(table.node_id, _INWARDS, depth=2, direction="out")
        known = {node.node_id: node for node in made.nodes if node.node_type == "cdm_column"}
        derived = [edge for edge in made.edges if edge.from_id in known and edge.to_id in nodes]
        used = {edge.from_id for edge in derived}
        nodes |= {name: node for name, node in known.items() if name in used}
        edges |= {edge.key: edge for edge in derived}
        edges |= {edge.key: edge for edge in made.edges if edge.edge_type == "contains" and edge.to_id in used}
    return Neighbourhood(
        nodes=tuple(nodes[name] for name in sorted(nodes)),
        edges=tuple(edges[key] for key in sorted(edges)),
        truncated=onwards.truncated or columns.truncated,
    )
