"""What a SQLite file holds, by its table-valued pragmas (sqlite.org, "PRAGMA functions")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.sqlite.types import SqliteDialect, logical_type
from contracts.catalog import ColumnDescriptor, DatasetDescriptor

if TYPE_CHECKING:
    from connectors.sql.dialect import TableSession

_QUOTE = SqliteDialect().string
_HIDDEN = 1
"""A column of a virtual table that ``SELECT *`` leaves out; 2 and 3 are generated columns."""


def datasets(session: TableSession, only: tuple[str, str] | None = None) -> list[DatasetDescriptor]:
    """Tables and views of the file, in order of their names; or the one that is asked for."""
    named = f" AND name = {_QUOTE(only[1])}" if only else ""
    found = session.rows(
        "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view', 'virtual') "
        rf"AND name NOT LIKE 'sqlite\_%' ESCAPE '\'{named} ORDER BY name",
        "listing tables",
    )
    return [_dataset(session, name, kind, without_rowid=bool(wr)) for name, kind, wr in found]


def _dataset(session: TableSession, name: str, kind: str, *, without_rowid: bool) -> DatasetDescriptor:
    infos = session.rows(
        f'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo({_QUOTE(name)}) ORDER BY cid',
        f"listing columns of {name}",
    )
    in_key = [info[0] for info in sorted(infos, key=lambda info: info[4]) if info[4]]
    # The rowid itself, and keys of tables without one, are never NULL; any other primary key can be (a quirk).
    is_rowid = len(in_key) == 1 and any(info[4] and info[1].upper() == "INTEGER" for info in infos)
    never_null = set(in_key) if without_rowid or is_rowid else set()
    columns = tuple(
        ColumnDescriptor(
            name=column,
            logical_type=logical_type(declared),
            declared_type=declared,
            nullable=not notnull and column not in never_null,
            default=default,
        )
        for column, declared, notnull, default, _, hidden in infos
        if hidden != _HIDDEN
    )
    bound = {column.name for column in columns if not column.nullable}
    unique = _unique_keys(session, name)
    return DatasetDescriptor(
        dataset_id=f"main.{name}" if "." not in name and '"' not in name else f'main."{name}"',
        kind="view" if kind == "view" else "table",
        namespace="main",
        name=name,
        columns=columns,
        primary_key=tuple(in_key) if bound.issuperset(in_key) else (),
        unique_keys=tuple(key for key in unique if bound.issuperset(key) and key != tuple(in_key)),
        dialect="sqlite",
    )


def _unique_keys(session: TableSession, name: str) -> list[tuple[str, ...]]:
    """Columns of unique indexes over the whole table; one over an expression has a column without a name."""
    found = session.rows(
        f'SELECT name FROM pragma_index_list({_QUOTE(name)}) WHERE "unique" AND NOT partial ORDER BY name',
        f"listing keys of {name}",
    )
    keys = []
    for (index,) in found:
        sql = f"SELECT name FROM pragma_index_info({_QUOTE(index)}) ORDER BY seqno"
        columns = [column for (column,) in session.rows(sql, f"listing keys of {name}")]
        if None not in columns:
            keys.append(tuple(columns))
    return keys
