"""Tables that a database of ours holds, in words that SQLite and Postgres both understand."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class TableLayout(NamedTuple):
    """Tables and indexes by name. No name may be a part of another: statements name tables without their schema."""

    tables: Mapping[str, str]
    """Columns and primary key; ``{text}`` is text that is compared by code points."""
    indexes: Mapping[str, str] = {}
    """Where each stands: ``table (column, ...)``."""


KV_LAYOUT = TableLayout(
    {
        "kv_entries": "namespace {text} NOT NULL, scope_id {text} NOT NULL, key {text} NOT NULL, value text NOT NULL, "
        "version bigint NOT NULL, updated_at text NOT NULL, PRIMARY KEY (namespace, scope_id, key)"
    }
)
