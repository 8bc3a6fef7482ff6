"""The knowledge graph as the API shows it."""
# ruff: noqa: D101 - the description is what clients read

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

import strawberry

from contracts.knowledge import KbEdge, KbNode, KnownNode, Neighbourhood, node_id
from flows.operations.lineage import ColumnOrigin, SourceColumn, column_origins

if TYPE_CHECKING:
    JSON = Any
else:
    from strawberry.scalars import JSON


@strawberry.enum(description="What a node stands for.")
class KbNodeType(Enum):
    ENDPOINT = "endpoint"
    DATASET = "dataset"
    COLUMN = "column"
    UNIT = "unit"
    RUN = "run"
    CDM_TABLE = "cdm_table"
    CDM_COLUMN = "cdm_column"
    PROJECT = "project"
    SPACE = "space"
    PERSON = "person"
    DRIVE = "drive"


@strawberry.enum(description="How two nodes hang together.")
class KbEdgeType(Enum):
    CONTAINS = "contains"
    PRODUCES = "produces"
    LANDS_IN = "lands_in"
    MAPS_TO = "maps_to"
    DERIVED_FROM = "derived_from"
    OWNED_BY = "owned_by"


@strawberry.enum(description="Which way edges are followed.")
class KbDirection(Enum):
    OUT = "out"
    IN = "in"
    BOTH = "both"


@strawberry.type(description="One thing that is known: its id is a logical key, the same after every collection.")
class KnowledgeNode:
    id: strawberry.ID
    node_type: str
    title: str
    properties: JSON


@strawberry.type(description="A node, who spoke of it last, and when.")
class KnowledgeEntry(KnowledgeNode):
    source_ref: str
    updated_at: datetime
    removed_at: datetime | None


@strawberry.type(description="One relation between two nodes.")
class KnowledgeEdge:
    from_id: strawberry.ID
    edge_type: str
    to_id: strawberry.ID
    properties: JSON


@strawberry.type(description="A column of a dataset; `unitId` is the unit whose mapper reads it.")
class LineageSourceColumn:
    id: strawberry.ID
    endpoint_id: strawberry.ID
    dataset_id: strawberry.ID
    column: str
    unit_id: str


@strawberry.type(description="A column of a common model and the source columns that decide its value.")
class LineageColumn:
    id: strawberry.ID
    cdm_model_id: str
    column: str
    sources: list[LineageSourceColumn]


@strawberry.type(description="Nodes and the edges between them; `truncated` says that more was reached.")
class KnowledgeGraph:
    nodes: list[KnowledgeNode]
    edges: list[KnowledgeEdge]
    truncated: bool
    columns: list[LineageColumn] = strawberry.field(
        description="The common columns among the nodes, each with the source columns it is made of."
    )


def shown_entry(known: KnownNode) -> KnowledgeEntry:
    """A node with its history."""
    node = known.node
    return KnowledgeEntry(
        id=strawberry.ID(node.node_id),
        node_type=node.node_type,
        title=node.title,
        properties=node.properties,
        source_ref=known.source_ref,
        updated_at=known.updated_at,
        removed_at=known.removed_at,
    )


def shown_graph(found: Neighbourhood) -> KnowledgeGraph:
    """A part of the graph."""
    return KnowledgeGraph(
        nodes=[_node(each) for each in found.nodes],
        edges=[_edge(each) for each in found.edges],
        truncated=found.truncated,
        columns=[shown_origin(each) for each in column_origins(found)],
    )


def shown_origin(origin: ColumnOrigin) -> LineageColumn:
    """A common column with its sources."""
    return LineageColumn(
        id=strawberry.ID(node_id("cdm_column", origin.cdm_model_id, origin.column)),
        cdm_model_id=origin.cdm_model_id,
        column=origin.column,
        sources=[_source_column(each) for each in origin.sources],
    )


def _source_column(source: SourceColumn) -> LineageSourceColumn:
    return LineageSourceColumn(
        id=strawberry.ID(node_id("column", source.endpoint_id, source.dataset_id, source.column)),
        endpoint_id=strawberry.ID(source.endpoint_id),
        dataset_id=strawberry.ID(f"{source.endpoint_id}/{source.dataset_id}"),
        column=source.column,
        unit_id=source.unit_id,
    )


def _node(node: KbNode) -> KnowledgeNode:
    return KnowledgeNode(
        id=strawberry.ID(node.node_id), node_type=node.node_type, title=node.title, properties=node.properties
    )


def _edge(edge: KbEdge) -> KnowledgeEdge:
    return KnowledgeEdge(
        from_id=strawberry.ID(edge.from_id),
        edge_type=edge.edge_type,
        to_id=strawberry.ID(edge.to_id),
        properties=edge.properties,
    )
