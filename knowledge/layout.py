"""The tables of the graph, in the words of ``state.layout``: columns by table, places by index."""

from __future__ import annotations

_KNOWN = "properties text NOT NULL, source_ref {text} NOT NULL, updated_at text NOT NULL, removed_at text"
TABLES = {
    "kb_nodes": f"node_id {{text}} NOT NULL, node_type {{text}} NOT NULL, title text NOT NULL, {_KNOWN}, "
    "PRIMARY KEY (node_id)",
    "kb_edges": f"from_id {{text}} NOT NULL, edge_type {{text}} NOT NULL, to_id {{text}} NOT NULL, {_KNOWN}, "
    "PRIMARY KEY (from_id, edge_type, to_id)",
}
INDEXES = {
    "kb_node_sources": "kb_nodes (source_ref)",
    "kb_edge_sources": "kb_edges (source_ref)",
    "kb_edge_ends": "kb_edges (to_id)",
}
