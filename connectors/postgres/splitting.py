"""Samples a table's keys, so that it can be cut into slices near a target size.

``TABLESAMPLE SYSTEM`` reads a few hundred pages; each sampled row weighs what its columns take on disk, so a table
whose rows differ in size is split by bytes, not by count, and a skewed key cannot make one slice many times the rest.
``REPEATABLE`` makes the same table give the same slices. Source: PostgreSQL manual, SELECT, "TABLESAMPLE".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.postgres.sql import ident, literal, qualified, row_of
from connectors.sql.predicates import where
from connectors.sql.ranges import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.postgres.session import Session
    from contracts.unit import EndpointUnitDescriptor

PAGE_BYTES = 8192
SAMPLED_PAGES_PER_SLICE = 32
MIN_SAMPLED_PAGES, MAX_SAMPLED_PAGES = 512, 16_384


def take_sample(
    session: Session, unit: EndpointUnitDescriptor, columns: Sequence[str], conditions: Sequence[str], slices: int
) -> Sample:
    """Keys and row sizes of a sample of the rows that satisfy the conditions."""
    table = qualified(unit.dataset.namespace, unit.dataset.name)
    percent = _percent(_heap_bytes(session, table), slices)
    keys = ", ".join(f"{ident(name)}::text AS k{index}" for index, name in enumerate(columns))
    sizes = " + ".join(f"COALESCE(pg_column_size({ident(column.name)}), 0)" for column in unit.columns)
    sql = (
        f"SELECT {keys}, (24 + {sizes})::bigint AS weight "
        f"FROM {table} TABLESAMPLE SYSTEM ({percent:.6f}) REPEATABLE (0)"
        f"{where(conditions)} ORDER BY {row_of(columns).strip('()')}"
    )
    rows = session.rows(sql, f"sampling {unit.unit_id}")
    return Sample(keys=[tuple(row[:-1]) for row in rows], weights=[row[-1] for row in rows])


def _heap_bytes(session: Session, table: str) -> int:
    """Size of the pages that are sampled: the table's own or its partitions', without what is stored out of line."""
    sql = (
        "SELECT COALESCE(sum(pg_relation_size(p.relid)), pg_relation_size(r.relid))::bigint AS n "
        f"FROM (SELECT {literal(table)}::regclass AS relid) r LEFT JOIN pg_partition_tree(r.relid) p ON p.isleaf "
        "GROUP BY r.relid"
    )
    return int(session.value(sql, f"sizing {table}"))


def _percent(size_bytes: int, slices: int) -> float:
    pages = max(1, size_bytes // PAGE_BYTES)
    wanted = min(MAX_SAMPLED_PAGES, max(MIN_SAMPLED_PAGES, slices * SAMPLED_PAGES_PER_SLICE))
    return min(100.0, 100.0 * wanted / pages)
