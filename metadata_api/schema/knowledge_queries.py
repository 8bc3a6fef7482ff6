"""What may be asked of the knowledge graph: facts about data, which viewers may see; it holds no rows."""

from typing import Annotated

import strawberry

from contracts.knowledge import MOST_DEPTH, EdgeType, NodeType
from flows.operations.lineage import column_origin, lineage
from metadata_api.errors import MalformedError
from metadata_api.schema.context import Context
from metadata_api.schema.dataset_queries import split_dataset
from metadata_api.schema.knowledge_types import (
    KbDirection,
    KbEdgeType,
    KbNodeType,
    KnowledgeEdge,
    KnowledgeEntry,
    KnowledgeGraph,
    LineageColumn,
    shown_entry,
    shown_graph,
    shown_origin,
)

Info = strawberry.Info[Context, None]
MOST_NODES = 500
"""In one page."""


@strawberry.type
class KnowledgeQueries:
    """The part of Query that is about the knowledge graph."""

    @strawberry.field
    def kb_nodes(
        self,
        info: Info,
        search: str = "",
        node_type: KbNodeType | None = None,
        first: int = 50,
        after: strawberry.ID | None = None,
    ) -> list[KnowledgeEntry]:
        """Nodes whose title or id contains the text, by id, in pages of at most 500; `after` is the last id seen."""
        if not 0 < first <= MOST_NODES:
            raise MalformedError("A page has between 1 and 500 nodes", "Give first in these limits.")
        kind: NodeType | None = None if node_type is None else node_type.value
        return [shown_entry(each) for each in info.context.workspace.graph.search(search, kind, first, after)]

    @strawberry.field
    def kb_node(self, info: Info, id: strawberry.ID) -> KnowledgeEntry | None:  # noqa: A002
        """One node, also one that is gone since `removedAt`; null if it was never there."""
        known = info.context.workspace.graph.get(id)
        return None if known is None else shown_entry(known)

    @strawberry.field
    def kb_edges(
        self, info: Info, node_id: strawberry.ID, edge_types: list[KbEdgeType] | None = None
    ) -> list[KnowledgeEdge]:
        """Edges from and to the node, as far as the other end is known."""
        kinds: list[EdgeType] = [each.value for each in edge_types or ()]
        return shown_graph(info.context.workspace.graph.neighbours(node_id, kinds)).edges

    @strawberry.field
    def kb_neighbors(
        self,
        info: Info,
        node_id: strawberry.ID,
        edge_types: list[KbEdgeType] | None = None,
        depth: int = 1,
        direction: KbDirection = KbDirection.BOTH,
    ) -> KnowledgeGraph:
        """What is reached from the node over at most `depth` edges, 6 at most; at most 2,000 nodes."""
        if not 0 <= depth <= MOST_DEPTH:
            raise MalformedError(f"A walk has between 0 and {MOST_DEPTH} steps", "Give depth in these limits.")
        kinds: list[EdgeType] = [each.value for each in edge_types or ()]
        return shown_graph(info.context.workspace.graph.neighbours(node_id, kinds, depth, direction.value))

    @strawberry.field
    def lineage(
        self,
        info: Info,
        dataset_id: Annotated[strawberry.ID, strawberry.argument(description="`<endpoint>/<dataset>`")],
    ) -> KnowledgeGraph:
        """What is made of a dataset: its units, sinks and common tables, and which common column of which column."""
        return shown_graph(lineage(info.context.workspace, *split_dataset(dataset_id)))

    @strawberry.field
    def column_lineage(self, info: Info, cdm_model_id: str, column: str) -> LineageColumn:
        """Every source column, of all endpoints, that a column of a common model is made of."""
        return shown_origin(column_origin(info.context.workspace, cdm_model_id, column))
