"""What a server holds, by ``information_schema``: only what the account may select."""

from __future__ import annotations

from collections import defaultdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from connectors.mysql.types import MySqlDialect, digits, logical_type
from connectors.sql.units import dataset_id
from contracts.catalog import ColumnDescriptor, DatasetDescriptor, DatasetKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connectors.mysql.config import MySqlConfig
    from connectors.sql.dialect import TableSession

_QUOTE = MySqlDialect().string
_SYSTEM = {"information_schema", "performance_schema", "mysql", "sys"}
_KINDS: dict[str, DatasetKind] = {"BASE TABLE": "table", "SYSTEM VERSIONED": "table", "VIEW": "view"}
_TABLES = """
SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COMMENT, TABLE_ROWS, DATA_LENGTH
FROM information_schema.TABLES WHERE {where}
"""
_COLUMNS = """
SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, COLUMN_COMMENT, PRIVILEGES
FROM information_schema.COLUMNS WHERE {where} ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION
"""
# An index over an expression has a column without a name.
_KEYS = """
SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME
FROM information_schema.STATISTICS WHERE NON_UNIQUE = 0 AND {where}
ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX
"""
# MariaDB's json is a longtext with a check (MariaDB documentation, "JSON Data Type").
_JSON = """
SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS
WHERE LOWER(CHECK_CLAUSE) LIKE 'json_valid(%' AND {where}
"""
TRANSACTIONAL = ("INNODB", "ROCKSDB")
"""Engines whose tables a read transaction shows as they were when it began."""

Name = tuple[str, str]


def schemas(session: TableSession, config: MySqlConfig) -> list[str]:
    """The databases to catalogue, in order."""
    patterns = config.include_schemas or ((config.database,) if config.database else ("*",))
    exact = config.database if not config.include_schemas else None
    found = session.rows("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA", "listing databases")
    return sorted(
        name
        for (name,) in found
        if name.lower() not in _SYSTEM
        and (name == exact or any(fnmatchcase(name, pattern) for pattern in patterns))
        and not any(fnmatchcase(name, pattern) for pattern in config.exclude_schemas)
    )


def datasets(session: TableSession, among: Sequence[str], only: str | None = None) -> list[DatasetDescriptor]:
    """Tables and views of the named databases that hold a column the account may select; or the one of that name."""
    if not among:
        return []
    where = f"TABLE_SCHEMA IN ({', '.join(map(_QUOTE, among))})"
    if only is not None:
        where += f" AND TABLE_NAME = {_QUOTE(only)}"
    tables = session.rows(_TABLES.format(where=where), "listing tables")
    as_json = _json_columns(session, where.replace("TABLE_SCHEMA", "CONSTRAINT_SCHEMA"))
    columns = _columns(session.rows(_COLUMNS.format(where=where), "listing columns"), as_json)
    keys = _keys(session.rows(_KEYS.format(where=where), "listing keys"))
    # information_schema compares names without case; files do not.
    return [
        _dataset(row, columns[row[0], row[1]], keys[row[0], row[1]])
        for row in tables
        if row[2] in _KINDS and columns[row[0], row[1]] and row[0] in among and only in {None, row[1]}
    ]


def engines(session: TableSession) -> set[str]:
    """Engines of all tables of users that the account can see: a view may read any of them."""
    system = ", ".join(map(_QUOTE, sorted(_SYSTEM)))
    users = f"ENGINE IS NOT NULL AND TABLE_SCHEMA NOT IN ({system})"
    sql = f"SELECT DISTINCT ENGINE FROM information_schema.TABLES WHERE {users}"
    return {engine for (engine,) in session.rows(sql, "listing engines")}


def _dataset(row: Sequence[Any], columns: Sequence[ColumnDescriptor], keys: dict[str, list[str]]) -> DatasetDescriptor:
    namespace, name, kind, engine, comment, rows, size = row
    never_null = {column.name for column in columns if not column.nullable}
    whole = {index: tuple(names) for index, names in keys.items() if never_null.issuperset(names)}
    primary = whole.pop("PRIMARY", ())
    is_table = _KINDS[kind] == "table"
    return DatasetDescriptor(
        dataset_id=dataset_id(namespace, name),
        kind=_KINDS[kind],
        namespace=namespace,
        name=name,
        columns=tuple(columns),
        primary_key=primary,
        unique_keys=tuple(sorted(set(whole.values()) - {primary}, key=len)),
        comment=(comment or None) if is_table else None,
        rows_estimate=int(rows) if is_table and rows is not None else None,
        bytes_estimate=int(size) if is_table and size is not None else None,
        dialect="mysql",
        properties={"engine": engine or ""},
    )


def _columns(found: Iterable[Sequence[Any]], as_json: set[tuple[str, str, str]]) -> dict[Name, list[ColumnDescriptor]]:
    columns: dict[Name, list[ColumnDescriptor]] = defaultdict(list)
    for namespace, table, name, declared, nullable, default, comment, privileges in found:
        if "select" not in privileges.lower():
            continue
        logical = "json" if (namespace, table, name) in as_json else logical_type(declared)
        numbers = digits(declared) if logical == "decimal" else None
        columns[namespace, table].append(
            ColumnDescriptor(
                name=name,
                logical_type=logical,
                declared_type=declared,
                nullable=nullable == "YES",
                default=default,
                comment=comment or None,
                precision=numbers[0] if numbers else None,
                scale=numbers[1] if numbers else None,
            )
        )
    return columns


def _keys(found: Iterable[Sequence[Any]]) -> dict[Name, dict[str, list[str]]]:
    keys: dict[Name, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for namespace, table, index, column in found:
        keys[namespace, table][index].append(column)
    return keys


def _json_columns(session: TableSession, where: str) -> set[tuple[str, str, str]]:
    """Columns of MariaDB that were declared json; MySQL's list of checks has no column for the table, and no need."""
    there = session.rows(
        "SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'information_schema' "
        "AND TABLE_NAME = 'CHECK_CONSTRAINTS' AND COLUMN_NAME = 'TABLE_NAME'",
        "looking for checks",
    )
    if not there:
        return set()
    found = session.rows(_JSON.format(where=where), "listing checks")
    return {(namespace, table, _checked(clause)) for namespace, table, clause in found}


def _checked(clause: str) -> str:
    """The column of ``json_valid(`name`)``; anything longer is no column's name."""
    inside = clause.strip()[len("json_valid(") : -1]
    return inside[1:-1].replace("``", "`") if inside.startswith("`") and inside.endswith("`") else inside
