"""What a database holds: one query per kind of fact, folded into a ``CatalogSnapshot``."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from connectors.postgres.sql import literal
from connectors.postgres.types import base_type, logical_type, modifiers
from connectors.sql.units import dataset_id
from contracts.catalog import CatalogSnapshot, ColumnDescriptor, DatasetDescriptor, DatasetKind, TypeDefinition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connectors.postgres.config import PostgresConfig
    from connectors.postgres.session import Session

_KINDS: dict[str, DatasetKind] = {
    "r": "table", "p": "partitioned_table", "v": "view", "m": "materialized_view", "f": "table",
}  # fmt: skip

# Partitions are part of their parent; toast, temporary and system schemas hold nothing of the user's.
_RELATIONS = """
SELECT c.oid::text AS oid, n.nspname::text AS namespace, c.relname::text AS name, c.relkind::text AS kind,
       obj_description(c.oid, 'pg_class') AS comment,
       COALESCE(s.rows, -1)::bigint AS rows, COALESCE(s.bytes, 0)::bigint AS bytes
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT CASE WHEN min(l.reltuples) < 0 THEN -1 ELSE sum(l.reltuples) END AS rows,
           sum(pg_catalog.pg_table_size(l.oid)) AS bytes
    FROM pg_catalog.pg_class l
    WHERE l.oid = c.oid AND c.relkind IN ('r', 'm')
       OR c.relkind = 'p' AND l.relkind = 'r'
          AND l.oid IN (SELECT t.relid FROM pg_catalog.pg_partition_tree(c.oid) t WHERE t.isleaf)
) s
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
  AND n.nspname NOT LIKE 'pg\\_temp\\_%'
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
"""

_COLUMNS = """
SELECT a.attrelid::text AS oid, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS declared,
       (NOT a.attnotnull) AS nullable, col_description(a.attrelid, a.attnum) AS comment,
       pg_get_expr(d.adbin, d.adrelid) AS default_value,
       CASE WHEN t.typtype = 'b' AND t.typcategory = 'A' THEN t.typelem ELSE t.oid END::text AS element_type
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = ''
WHERE a.attrelid IN ({oids}) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""

# Reading a table reads the tables that inherit from it too (partitions of old), and its key does not bind their rows.
_KEYS = """
SELECT i.indrelid::text AS oid, i.indisprimary AS is_primary,
       (SELECT string_agg(a.attname, E'\\x01' ORDER BY k.ord)
        FROM unnest(i.indkey::smallint[]) WITH ORDINALITY k(attnum, ord)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE k.ord <= i.indnkeyatts) AS columns
FROM pg_catalog.pg_index i
WHERE i.indrelid IN ({oids}) AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
  AND i.indexprs IS NULL AND NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class p ON p.oid = h.inhparent
    WHERE h.inhparent = i.indrelid AND p.relkind = 'r')
  AND NOT EXISTS (
    SELECT 1 FROM unnest(i.indkey::smallint[]) WITH ORDINALITY k(attnum, ord)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE k.ord <= i.indnkeyatts AND NOT a.attnotnull)
ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, i.indexrelid
"""

_USER_TYPES = """
SELECT t.oid::text AS oid, format_type(t.oid, NULL) AS name, t.typtype::text AS kind,
       CASE WHEN b.typtype = 'b' AND b.typcategory = 'A' THEN b.typelem ELSE t.typbasetype END::text AS base_oid,
       CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END AS base,
       (SELECT string_agg(e.enumlabel, E'\\x01' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e
        WHERE e.enumtypid = t.oid) AS labels,
       (SELECT string_agg(a.attname || E'\\x02' || format_type(a.atttypid, a.atttypmod) || E'\\x02'
               || CASE WHEN f.typtype = 'b' AND f.typcategory = 'A' THEN f.typelem ELSE f.oid END::text,
               E'\\x01' ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type f ON f.oid = a.atttypid
        WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS fields
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
WHERE t.typtype IN ('e', 'd', 'c') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND (t.typtype <> 'c' OR c.relkind IN ('c', 'r', 'p', 'v', 'm'))
"""


def schemas(session: Session, config: PostgresConfig) -> list[str]:
    """The schemas to catalogue, in order; some of them may hold nothing that the role may read."""
    sql = "SELECT nspname::text AS name FROM pg_catalog.pg_namespace WHERE has_schema_privilege(oid, 'USAGE')"
    found = sorted(row[0] for row in session.rows(sql, "listing schemas"))
    return [
        name for name in found if not name.startswith("pg_") and name != "information_schema" and _wanted(name, config)
    ]


def collect(session: Session, config: PostgresConfig, endpoint_id: str, only: Sequence[str] = ()) -> CatalogSnapshot:
    """Tables, partitioned tables (as one dataset), views and materialised views that the role may read.

    Args:
        session: Of the database.
        config: Says which schemas are included.
        endpoint_id: Stands in the snapshot.
        only: Among the included ones; all of them when empty.
    """
    among = f" AND n.nspname IN ({', '.join(map(literal, only))})" if only else ""
    with session.transaction("ISOLATION LEVEL REPEATABLE READ READ ONLY"):
        version = str(session.value("SHOW server_version", "asking for the version"))
        relations = [row for row in session.rows(_RELATIONS + among, "listing tables") if _wanted(row[1], config)]
        datasets = _datasets(session, relations)
    return CatalogSnapshot(
        endpoint_id=endpoint_id,
        collected_at=datetime.now(UTC),
        datasets=tuple(sorted(datasets, key=lambda dataset: dataset.dataset_id)),
        source_version=version,
    )


def look_up(session: Session, config: PostgresConfig, endpoint_id: str, namespace: str, name: str) -> CatalogSnapshot:
    """A snapshot of one table, or of none where there is no such table among the included schemas."""
    version = str(session.value("SHOW server_version", "asking for the version"))
    found = dataset_now(session, namespace, name) if _wanted(namespace, config) else None
    return CatalogSnapshot(
        endpoint_id=endpoint_id,
        collected_at=datetime.now(UTC),
        datasets=() if found is None else (found,),
        source_version=version,
    )


def dataset_now(session: Session, namespace: str, name: str) -> DatasetDescriptor | None:
    """One dataset as it is at this moment, or None when it is gone or may not be read."""
    only = f" AND n.nspname = {literal(namespace)} AND c.relname = {literal(name)}"
    datasets = list(_datasets(session, session.rows(_RELATIONS + only, f"looking up {namespace}.{name}")))
    return datasets[0] if datasets else None


def made_types(session: Session) -> dict[str, TypeDefinition]:
    """Every user-made enum, domain and composite of the database, by its qualified name."""
    return {made.name: made for _, made in _user_types(session).values()}


def _wanted(namespace: str, config: PostgresConfig) -> bool:
    included = any(fnmatchcase(namespace, pattern) for pattern in config.include_schemas)
    excluded = any(fnmatchcase(namespace, pattern) for pattern in config.exclude_schemas)
    return included and not excluded and namespace != config.state_schema


def _datasets(session: Session, relations: Sequence[tuple[Any, ...]]) -> Iterable[DatasetDescriptor]:
    if not relations:
        return
    oids = ", ".join(row[0] for row in relations)
    user_types = _user_types(session)
    columns: dict[str, list[ColumnDescriptor]] = defaultdict(list)
    for oid, name, declared, nullable, comment, default, element in session.rows(
        _COLUMNS.format(oids=oids), "listing columns"
    ):
        columns[oid].append(
            _column(
                name,
                declared,
                nullable=nullable,
                comment=comment,
                default=default,
                made=_definitions(element, user_types),
            )
        )
    keys: dict[str, list[tuple[bool, tuple[str, ...]]]] = defaultdict(list)
    for oid, is_primary, names in session.rows(_KEYS.format(oids=oids), "listing keys"):
        keys[oid].append((is_primary, tuple(names.split("\x01"))))
    for oid, namespace, name, kind, comment, rows, size in relations:
        yield DatasetDescriptor(
            dataset_id=dataset_id(namespace, name),
            kind=_KINDS[kind],
            namespace=namespace,
            name=name,
            columns=tuple(columns[oid]),
            primary_key=next((names for is_primary, names in keys[oid] if is_primary), ()),
            unique_keys=tuple(names for is_primary, names in keys[oid] if not is_primary),
            comment=comment,
            rows_estimate=rows if rows >= 0 else None,
            bytes_estimate=size if kind in "rpm" else None,
            dialect="postgres",
        )


def _column(
    name: str,
    declared: str,
    *,
    nullable: bool,
    comment: str | None,
    default: str | None,
    made: tuple[TypeDefinition, ...],
) -> ColumnDescriptor:
    numbers = modifiers(declared) if base_type(declared) == "numeric" else ()
    return ColumnDescriptor(
        name=name,
        logical_type=logical_type(declared),
        declared_type=declared,
        nullable=nullable,
        comment=comment,
        default=default,
        precision=numbers[0] if numbers else None,
        scale=(numbers[1] if len(numbers) > 1 else 0) if numbers else None,
        type_definitions=made,
    )


def _user_types(session: Session) -> dict[str, tuple[tuple[str, ...], TypeDefinition]]:
    """By oid: the oids a user-made type is made of, and its definition."""
    definitions: dict[str, tuple[tuple[str, ...], TypeDefinition]] = {}
    for oid, name, kind, base_oid, base, labels, fields in session.rows(_USER_TYPES, "listing types"):
        parts = [part.split("\x02") for part in (fields or "").split("\x01") if part]
        needs = (base_oid,) if kind == "d" else tuple(part[2] for part in parts)
        definition = TypeDefinition(
            name=name,
            kind={"e": "enum", "d": "domain", "c": "composite"}[kind],
            labels=tuple(labels.split("\x01")) if labels is not None else (),
            base_type=base,
            fields=tuple((part[0], part[1]) for part in parts),
        )
        definitions[oid] = (needs, definition)
    return definitions


def _definitions(
    oid: str, user_types: dict[str, tuple[tuple[str, ...], TypeDefinition]], depth: int = 0
) -> tuple[TypeDefinition, ...]:
    """The type behind ``oid`` and all it is made of, dependencies first; empty for built-in types."""
    if oid not in user_types or depth > 16:
        return ()
    needs, definition = user_types[oid]
    before = [made for need in needs for made in _definitions(need, user_types, depth + 1)]
    return (*dict.fromkeys(before), definition)
