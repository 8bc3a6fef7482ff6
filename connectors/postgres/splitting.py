"""Splits a table into slices near a target size, by a sample of its keys.

``TABLESAMPLE SYSTEM`` reads a few hundred pages; each sampled row weighs what its columns take on disk, so a table
whose rows differ in size is split by bytes, not by count, and a skewed key cannot make one slice many times the rest.
``REPEATABLE`` makes the same table give the same slices. Source: PostgreSQL manual, SELECT, "TABLESAMPLE".
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from connectors.postgres.sql import ident, literal, qualified, row_of, where
from contracts.plan import IngestionSlice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.postgres.client import Session
    from contracts.model import Json
    from contracts.unit import EndpointUnitDescriptor

PAGE_BYTES = 8192
MAX_SLICES = 10_000
SAMPLED_PAGES_PER_SLICE = 32
MIN_SAMPLED_PAGES, MAX_SAMPLED_PAGES = 512, 16_384
SINGLE_SLACK = 1.5
"""A unit up to this many times the target stays in one slice: a second slice would be a sliver."""

Key = tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """Sampled rows in key order.

    Attributes:
        keys: Text of the key columns.
        weights: Bytes of each row.
    """

    keys: list[Key]
    weights: list[int]


def split_points(sample: Sample, slices: int) -> list[Key]:
    """At most ``slices - 1`` distinct keys, in order, that divide the sample's weight evenly."""
    total = sum(sample.weights)
    points: list[Key] = []
    passed, wanted = 0, 1
    for key, weight in zip(sample.keys, sample.weights, strict=True):
        if wanted < slices and passed * slices >= total * wanted and key != sample.keys[0]:
            if not points or key != points[-1]:
                points.append(key)
            while wanted < slices and passed * slices >= total * wanted:
                wanted += 1
        passed += weight
    return points


def slices_wanted(size_bytes: int, target_bytes: int) -> int:
    """How many slices a range of that size is split into."""
    if size_bytes <= target_bytes * SINGLE_SLACK:
        return 1
    return min(MAX_SLICES, -(-size_bytes // target_bytes))


def ranges(columns: Sequence[str], points: Sequence[Key]) -> list[Json]:
    """Half-open ranges that are disjoint and cover everything, as slice params."""
    edges: list[Key | None] = [None, *points, None]
    return [_range(columns, lower, upper) for lower, upper in pairwise(edges)]


def _range(columns: Sequence[str], lower: Key | None, upper: Key | None) -> Json:
    params: Json = {"columns": [*columns], "lower": None, "upper": None, "explain": _words(lower, upper)}
    if lower is not None:
        params["lower"] = [*lower]
    if upper is not None:
        params["upper"] = [*upper]
    return params


def numbered(
    params: Sequence[Json], rows: int | None, size_bytes: int | None, prefix: str = ""
) -> tuple[IngestionSlice, ...]:
    """Slices from params, keyed by position, with an even share of the estimates."""
    share = max(len(params), 1)
    return tuple(
        IngestionSlice(
            key=f"{prefix}{index:05d}",
            sequence=index,
            params=piece,
            estimated_rows=rows // share if rows is not None else None,
            estimated_bytes=size_bytes // share if size_bytes is not None else None,
        )
        for index, piece in enumerate(params)
    )


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


def _words(lower: Key | None, upper: Key | None) -> str:
    left = f"[{', '.join(lower)}" if lower is not None else "(-∞"
    right = ", ".join(upper) if upper is not None else "∞"
    return f"{left} … {right})"
