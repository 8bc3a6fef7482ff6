"""What is made of a dataset, as the knowledge graph knows it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from contracts.knowledge import Neighbourhood, node_id, node_parts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contracts.knowledge import EdgeType, KbEdge
    from flows.wiring import Workspace


class SourceColumn(NamedTuple):
    """A column of a dataset, and the unit whose mapper reads it."""

    endpoint_id: str
    dataset_id: str
    column: str
    unit_id: str


class ColumnOrigin(NamedTuple):
    """A column of a common model, and the source columns that decide its value."""

    cdm_model_id: str
    column: str
    sources: tuple[SourceColumn, ...]


_ONWARDS: tuple[EdgeType, ...] = ("produces", "maps_to", "lands_in")
_INWARDS: tuple[EdgeType, ...] = ("contains", "derived_from")
_DERIVED: tuple[EdgeType, ...] = ("derived_from",)


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


def column_origin(workspace: Workspace, cdm_model_id: str, column: str) -> ColumnOrigin:
    """Every source column, of whatever endpoint, that the common column is made of; none when it is unknown.

    Raises:
        StateUnavailableError: The graph is away.
    """
    found = workspace.graph.neighbours(node_id("cdm_column", cdm_model_id, column), _DERIVED, direction="out")
    return next(iter(column_origins(found)), ColumnOrigin(cdm_model_id, column, ()))


def column_origins(found: Neighbourhood) -> tuple[ColumnOrigin, ...]:
    """Of each common column in a part of the graph, the source columns that are there too; by model and column."""
    derived = [edge for edge in found.edges if edge.edge_type == "derived_from"]
    by_column = groupby(sorted(derived, key=lambda edge: edge.key), key=lambda edge: edge.from_id)
    return tuple(_origin(made, edges) for made, edges in by_column)


def _origin(made: str, edges: Iterable[KbEdge]) -> ColumnOrigin:
    model_id, column = node_parts(made)
    return ColumnOrigin(model_id, column, tuple(map(_source_column, edges)))


def _source_column(edge: KbEdge) -> SourceColumn:
    endpoint_id, dataset_id, column = node_parts(edge.to_id)
    return SourceColumn(endpoint_id, dataset_id, column, str(edge.properties.get("unit_id", "")))
