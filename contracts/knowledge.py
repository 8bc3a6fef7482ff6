"""The knowledge plane: a graph of what there is and how it hangs together. It holds facts about data, never rows.

A graph is not a sink: nothing here takes a batch, and what a node may carry is bounded.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import AfterValidator, BeforeValidator, Field

from contracts.model import Contract, Json

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

NodeType = Literal[
    "endpoint", "dataset", "column", "unit", "run", "cdm_table", "cdm_column", "project", "space", "person", "drive"
]
EdgeType = Literal["contains", "produces", "lands_in", "maps_to", "derived_from", "owned_by"]
Direction = Literal["out", "in", "both"]
MOST_PROPERTY_BYTES = 4_096
"""Of one node's properties as JSON text: room for facts, not for rows."""
MOST_TITLE_CHARACTERS = 500
MOST_DEPTH = 6
MOST_NEIGHBOURS = 2_000


def _bounded(properties: Json) -> Json:
    size_bytes = len(json.dumps(properties))
    if size_bytes > MOST_PROPERTY_BYTES:
        raise ValueError(f"properties have {size_bytes} bytes, and at most {MOST_PROPERTY_BYTES} are allowed")
    return properties


Properties = Annotated[Json, AfterValidator(_bounded)]


def _storable(text: str) -> str:
    """Without what no database takes as text: NUL and halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def node_id(node_type: NodeType, *parts: str) -> str:
    """The logical key of a node, the same whoever emits it: ``kb:<type>:<part>:…``; colons in parts are escaped."""
    parts = tuple(map(_storable, parts))
    return ":".join(("kb", node_type, *(part.replace("%", "%25").replace(":", "%3A") for part in parts)))


def node_parts(node_id: str) -> tuple[str, ...]:
    """The parts that :func:`node_id` joined, without ``kb`` and the type."""
    return tuple(part.replace("%3A", ":").replace("%25", "%") for part in node_id.split(":")[2:])


class KbNode(Contract):
    """One thing that is known."""

    node_id: str
    node_type: NodeType
    title: Annotated[str, BeforeValidator(_storable), Field(max_length=MOST_TITLE_CHARACTERS)]
    properties: Properties = {}


class KbEdge(Contract):
    """One relation between two things. The other end may be unknown as yet."""

    from_id: str
    edge_type: EdgeType
    to_id: str
    properties: Properties = {}

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it one edge and no other."""
        return self.from_id, self.edge_type, self.to_id


class Emission(Contract):
    """All that one emitter knows now: what it said before and does not say any more is gone."""

    source_ref: str
    """Who says so, for example ``catalog:<endpoint>``."""
    nodes: tuple[KbNode, ...] = ()
    edges: tuple[KbEdge, ...] = ()


class EmissionReceipt(Contract):
    """What an emission changed in the graph; all zeros when it said nothing new."""

    nodes_written: int = 0
    edges_written: int = 0
    nodes_removed: int = 0
    edges_removed: int = 0


class KnownNode(Contract):
    """A node as it is in the graph."""

    node: KbNode
    source_ref: str
    updated_at: datetime
    removed_at: datetime | None = None
    """Since when its emitter does not name it any more; None while it does."""


class Neighbourhood(Contract):
    """Nodes around one node, and the edges between them."""

    nodes: tuple[KbNode, ...]
    edges: tuple[KbEdge, ...]
    truncated: bool = False
    """More than MOST_NEIGHBOURS nodes were reached: the farthest are left out."""


class GraphStore(Protocol):
    """A graph that remembers who said what. Thread-safe; every call raises StateUnavailableError when it is away."""

    def emit(self, emission: Emission) -> EmissionReceipt:
        """Make the emitter's part of the graph what the emission says. Idempotent, also after a kill in the middle.

        A node or edge of another emitter that is named here belongs to this one from now on.
        """
        ...

    def upsert_entities(self, source_ref: str, nodes: Sequence[KbNode]) -> int:
        """Add or change nodes; what is equal is not written. Returns how many were written."""
        ...

    def upsert_edges(self, source_ref: str, edges: Sequence[KbEdge]) -> int:
        """Add or change edges; what is equal is not written. Returns how many were written."""
        ...

    def remove(self, source_ref: str) -> EmissionReceipt:
        """Mark everything of the emitter as removed."""
        ...

    def get(self, node_id: str) -> KnownNode | None:
        """The node, removed or not; None if it was never there."""
        ...

    def neighbours(
        self, node_id: str, edge_types: Collection[EdgeType] = (), depth: int = 1, direction: Direction = "both"
    ) -> Neighbourhood:
        """What is reached over at most ``depth`` edges (6 at most) of these types, all when none are given.

        The node itself is among the nodes; nobody is if it is not there or removed.
        """
        ...

    def search(
        self, text: str = "", node_type: NodeType | None = None, limit: int = 50, after: str | None = None
    ) -> tuple[KnownNode, ...]:
        """Live nodes whose title or id contains the text, whatever its case, by id; ``after`` is the last id seen."""
        ...

    def close(self) -> None:
        """Close idle connections. The store can be used again afterwards."""
        ...
