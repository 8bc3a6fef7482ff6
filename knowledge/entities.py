"""The small things that data hangs on (projects, spaces, drives, people), as nodes: a name, a few facts, no content.

==============  =======================================================================
edge            from → to
==============  =======================================================================
``contains``    endpoint → entity
``derived_from``  entity → the dataset that it was read from
``owned_by``    entity → person
==============  =======================================================================

An entity's id is its ``cdm_id``, so that a person who is known to two systems of one name is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from contracts.knowledge import MOST_TITLE_CHARACTERS, Emission, KbEdge, KbNode, node_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from contracts.knowledge import NodeType
    from contracts.unit import EndpointUnitDescriptor

_MOST_CHARACTERS = 300


class EntityKind(NamedTuple):
    """How rows of a common model become nodes. Columns that are not named here do not reach the graph."""

    node_type: NodeType
    title: str
    facts: tuple[str, ...]
    owner: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All that is looked at of a row."""
        return ("cdm_id", self.title, *self.facts, *((self.owner,) if self.owner else ()))


_KINDS = {
    "cdm.work.project": EntityKind("project", "name", ("source_project_key", "url")),
    "cdm.work.user": EntityKind("person", "display_name", ("active",)),
    "cdm.doc.space": EntityKind("space", "name", ("source_space_key", "space_type", "status", "url"), "owner_cdm_id"),
}


def entity_kind(unit: EndpointUnitDescriptor) -> EntityKind | None:
    """What the unit's rows are in the graph; None for content, which has no place there."""
    kind = _KINDS.get(unit.cdm_model_id or "")
    is_drive = kind is not None and kind.node_type == "space" and unit.kind.endswith(".drive")
    return kind._replace(node_type="drive") if kind and is_drive else kind


def entities_ref(endpoint_id: str, dataset_id: str) -> str:
    """Who speaks of the entities in a dataset."""
    return f"entities:{endpoint_id}:{dataset_id}"


def of_entities(
    endpoint_id: str, unit: EndpointUnitDescriptor, kind: EntityKind, rows: Iterable[Mapping[str, Any]]
) -> Emission:
    """All entities of a unit.

    Args:
        endpoint_id: The source.
        unit: Whose rows they are.
        kind: Of the unit.
        rows: Of the common model, with the kind's columns.
    """
    nodes, edges = [], []
    endpoint, dataset = node_id("endpoint", endpoint_id), node_id("dataset", endpoint_id, unit.dataset_id)
    for row in rows:
        made = _node(kind, row)
        nodes.append(made)
        edges.append(KbEdge(from_id=endpoint, edge_type="contains", to_id=made.node_id))
        edges.append(KbEdge(from_id=made.node_id, edge_type="derived_from", to_id=dataset))
        if kind.owner and row[kind.owner] is not None:
            owner = node_id("person", str(row[kind.owner]))
            edges.append(KbEdge(from_id=made.node_id, edge_type="owned_by", to_id=owner))
    return Emission(source_ref=entities_ref(endpoint_id, unit.dataset_id), nodes=tuple(nodes), edges=tuple(edges))


def _node(kind: EntityKind, row: Mapping[str, Any]) -> KbNode:
    facts = {name: _short(row[name]) for name in kind.facts if row[name] is not None}
    title = str(row[kind.title] or row["cdm_id"])[:MOST_TITLE_CHARACTERS]
    return KbNode(
        node_id=node_id(kind.node_type, str(row["cdm_id"])), node_type=kind.node_type, title=title, properties=facts
    )


def _short(value: Any) -> Any:
    return value if isinstance(value, bool) else str(value)[:_MOST_CHARACTERS]
