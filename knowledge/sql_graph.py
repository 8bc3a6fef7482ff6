"""The graph in two tables of a SQL database, ``kb_nodes`` and ``kb_edges``.

Every statement commits alone, so a kill leaves a part of an emission: saying it again makes it whole. What is equal is
not written, so that an unchanged catalog of a thousand tables costs a read.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from contracts.knowledge import (
    MOST_DEPTH,
    MOST_NEIGHBOURS,
    EmissionReceipt,
    KbEdge,
    KbNode,
    KnownNode,
    Neighbourhood,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from contracts.knowledge import Direction, EdgeType, Emission, NodeType
    from contracts.state import SqlDatabase

    _Rows = dict[tuple[str, ...], tuple[str, ...]]

ValueT = TypeVar("ValueT")
_CHUNK = 200
"""Rows in one statement: SQLite takes 32,766 parameters, Postgres 65,535."""
_MOST_FOUND = 500
_COLUMNS = {
    "kb_nodes": ("node_id", "node_type", "title", "properties", "source_ref", "updated_at"),
    "kb_edges": ("from_id", "edge_type", "to_id", "properties", "source_ref", "updated_at"),
}
_KEYS = {"kb_nodes": ("node_id",), "kb_edges": ("from_id", "edge_type", "to_id")}


class SqlGraphStore:
    """A ``GraphStore``. The first call opens the database."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database
        self._created = False
        self._lock = Lock()

    def emit(self, emission: Emission) -> EmissionReceipt:
        """Write what is new or different, then mark what the emitter does not name any more."""
        ref = emission.source_ref
        return EmissionReceipt(
            nodes_written=self.upsert_entities(ref, emission.nodes),
            edges_written=self.upsert_edges(ref, emission.edges),
            edges_removed=self._remove_others("kb_edges", ref, {edge.key for edge in emission.edges}),
            nodes_removed=self._remove_others("kb_nodes", ref, {(node.node_id,) for node in emission.nodes}),
        )

    def upsert_entities(self, source_ref: str, nodes: Sequence[KbNode]) -> int:
        """Add or change nodes; of one that is named twice, the last one counts."""
        rows: _Rows = {
            (node.node_id,): (node.node_id, node.node_type, node.title, _text(node.properties)) for node in nodes
        }
        return self._upsert("kb_nodes", source_ref, rows)

    def upsert_edges(self, source_ref: str, edges: Sequence[KbEdge]) -> int:
        """Add or change edges; of one that is named twice, the last one counts."""
        rows: _Rows = {edge.key: (*edge.key, _text(edge.properties)) for edge in edges}
        return self._upsert("kb_edges", source_ref, rows)

    def remove(self, source_ref: str) -> EmissionReceipt:
        """Mark everything that the emitter has said."""
        return EmissionReceipt(
            edges_removed=self._remove_others("kb_edges", source_ref, set()),
            nodes_removed=self._remove_others("kb_nodes", source_ref, set()),
        )

    def get(self, node_id: str) -> KnownNode | None:
        """The node, removed or not."""
        found = self._nodes("node_id = CAST($1 AS text)", (node_id,))
        return found[0] if found else None

    def neighbours(
        self, node_id: str, edge_types: Collection[EdgeType] = (), depth: int = 1, direction: Direction = "both"
    ) -> Neighbourhood:
        """Walk outwards, one statement for each step and side; a node is visited once."""
        known = self.get(node_id)
        if known is None or known.removed_at is not None:
            return Neighbourhood(nodes=(), edges=())
        reached: dict[str, KbNode] = {node_id: known.node}
        edges: dict[tuple[str, str, str], KbEdge] = {}
        frontier, truncated = [node_id], False
        for _ in range(min(depth, MOST_DEPTH)):
            steps = self._edges_at(frontier, edge_types, direction)
            ends = {end for edge in steps for end in (edge.from_id, edge.to_id)} - reached.keys()
            room = MOST_NEIGHBOURS - len(reached)
            truncated = truncated or len(ends) > room
            new = self._live(sorted(ends)[:room])
            reached |= new
            edges |= {edge.key: edge for edge in steps}
            frontier = sorted(new)
            if not new:
                break
        between = [edge for edge in edges.values() if edge.from_id in reached and edge.to_id in reached]
        nodes = [reached[name] for name in sorted(reached)]
        return Neighbourhood(nodes=nodes, edges=sorted(between, key=lambda edge: edge.key), truncated=truncated)

    def search(
        self, text: str = "", node_type: NodeType | None = None, limit: int = 50, after: str | None = None
    ) -> tuple[KnownNode, ...]:
        """By id, from ``after`` on; at most 500. Letters outside ASCII have to be of the same case on SQLite."""
        pattern = "%" + "".join(f"\\{each}" if each in "\\%_" else each for each in text.lower()) + "%"
        conditions = (
            "removed_at IS NULL AND node_id > CAST($1 AS text) "
            "AND (lower(title) LIKE CAST($2 AS text) ESCAPE '\\' OR lower(node_id) LIKE CAST($2 AS text) ESCAPE '\\')"
        )
        values = [after or "", pattern]
        if node_type is not None:
            conditions += " AND node_type = CAST($3 AS text)"
            values.append(node_type)
        return self._nodes(conditions, tuple(values), limit=max(0, min(limit, _MOST_FOUND)))

    def close(self) -> None:
        """Close idle connections."""
        self._database.close()

    def _upsert(self, table: str, source_ref: str, rows: _Rows) -> int:
        at, written = _now(), 0
        for chunk in _chunks(sorted(rows.items())):
            values = [value for _, row in chunk for value in (*row, source_ref, at)]
            written += len(self._run(_upsert_sql(table, len(chunk)), tuple(values)))
        return written

    def _remove_others(self, table: str, source_ref: str, kept: set[tuple[str, ...]]) -> int:
        """Mark the emitter's live rows that are not kept."""
        key = ", ".join(_KEYS[table])
        mine = f"SELECT {key} FROM {table} WHERE source_ref = CAST($1 AS text) AND removed_at IS NULL"  # noqa: S608
        gone = sorted({tuple(row) for row in self._run(mine, (source_ref,))} - kept)
        removed = 0
        for chunk in _chunks(gone):
            values = (_now(), source_ref, *(part for row in chunk for part in row))
            removed += len(self._run(_remove_sql(table, len(chunk)), values))
        return removed

    def _edges_at(self, nodes: Iterable[str], edge_types: Collection[EdgeType], direction: Direction) -> list[KbEdge]:
        sides = {"out": ("from_id",), "in": ("to_id",), "both": ("from_id", "to_id")}[direction]
        found: list[KbEdge] = []
        for chunk in _chunks(nodes):
            for side in sides:
                values = [*chunk, *sorted(edge_types)]
                conditions = f"{side} IN ({_markers(len(chunk))}) AND removed_at IS NULL"
                if edge_types:
                    conditions += f" AND edge_type IN ({_markers(len(edge_types), first=len(chunk) + 1)})"
                sql = f"SELECT from_id, edge_type, to_id, properties FROM kb_edges WHERE {conditions}"  # noqa: S608
                found += [
                    KbEdge(from_id=one, edge_type=kind, to_id=two, properties=json.loads(properties))
                    for one, kind, two, properties in self._run(sql, tuple(values))
                ]
        return found

    def _live(self, ids: Iterable[str]) -> dict[str, KbNode]:
        found: dict[str, KbNode] = {}
        for chunk in _chunks(ids):
            conditions = f"node_id IN ({_markers(len(chunk))}) AND removed_at IS NULL"
            found |= {known.node.node_id: known.node for known in self._nodes(conditions, chunk)}
        return found

    def _nodes(self, conditions: str, values: tuple[str, ...], limit: int | None = None) -> tuple[KnownNode, ...]:
        columns = "node_id, node_type, title, properties, source_ref, updated_at, removed_at"
        most = "" if limit is None else f" LIMIT {limit}"
        sql = f"SELECT {columns} FROM kb_nodes WHERE {conditions} ORDER BY node_id{most}"  # noqa: S608
        return tuple(_known(*row) for row in self._run(sql, values))

    def _run(self, statement: str, values: tuple[str, ...]) -> Sequence[tuple[Any, ...]]:
        with self._lock:
            if not self._created:
                self._database.create()
                self._created = True
        return self._database.run(statement, values)


def _chunks(values: Iterable[ValueT]) -> Iterator[tuple[ValueT, ...]]:
    rest = iter(values)
    while chunk := tuple(islice(rest, _CHUNK)):
        yield chunk


def _upsert_sql(table: str, rows: int) -> str:
    columns, key = _COLUMNS[table], _KEYS[table]
    width = len(columns)
    values = ", ".join(f"({_markers(width, first=row * width + 1)})" for row in range(rows))
    changed = [name for name in columns if name not in key]
    differs = " OR ".join(f"stored.{name} <> excluded.{name}" for name in changed if name != "updated_at")
    return (
        f"INSERT INTO {table} AS stored ({', '.join(columns)}) VALUES {values} "  # noqa: S608 - constants only
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET removed_at = NULL, "
        f"{', '.join(f'{name} = excluded.{name}' for name in changed)} "
        f"WHERE stored.removed_at IS NOT NULL OR {differs} RETURNING source_ref"
    )


def _remove_sql(table: str, rows: int) -> str:
    key = _KEYS[table]
    width = len(key)
    keys = ", ".join(f"({_markers(width, first=3 + row * width)})" for row in range(rows))
    return (
        f"UPDATE {table} SET removed_at = CAST($1 AS text) WHERE source_ref = CAST($2 AS text) "  # noqa: S608
        f"AND removed_at IS NULL AND ({', '.join(key)}) IN (VALUES {keys}) RETURNING source_ref"
    )


def _markers(count: int, first: int = 1) -> str:
    return ", ".join(f"CAST(${number} AS text)" for number in range(first, first + count))


def _known(
    node_id: str, node_type: NodeType, title: str, properties: str, source_ref: str, at: str, removed_at: str | None
) -> KnownNode:
    node = KbNode(node_id=node_id, node_type=node_type, title=title, properties=json.loads(properties))
    return KnownNode(
        node=node,
        source_ref=source_ref,
        updated_at=datetime.fromisoformat(at),
        removed_at=None if removed_at is None else datetime.fromisoformat(removed_at),
    )


def _text(properties: dict[str, Any]) -> str:
    return json.dumps(properties, sort_keys=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
