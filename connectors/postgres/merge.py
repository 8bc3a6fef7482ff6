"""The SQL of an upsert by difference. Pure: text from names.

Rows are compared by their binary image (``*<>``, PostgreSQL manual, "Row and Array Comparison"), not by ``=``: two
values that are equal but not the same (numeric 1.0 and 1.00, -0.0 and 0.0, json in another order of keys) differ at
the source and must differ in the sink too; and types without ``=`` (json, point, xml) need no special case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.postgres.sql import ident, literal
from contracts.mapping import DATASET, OWNER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.postgres.target import ExistingTable, TargetTable
    from connectors.postgres.types import ColumnWrite
    from contracts.unit import GonePolicy

WORK = "nucleus_work"
KEYS = "nucleus_keys"
GIVEN = "OVERRIDING SYSTEM VALUE"
"""Identity columns take the value that is given, also those that are GENERATED ALWAYS."""


def create_work(writes: Sequence[ColumnWrite], name: str = WORK) -> str:
    """A work table that disappears with the transaction."""
    columns = ", ".join(f"{ident(write.name)} {write.work_type}" for write in writes)
    return f"CREATE TEMPORARY TABLE {ident(name)} ({columns}) ON COMMIT DROP"


def _selected(writes: Sequence[ColumnWrite]) -> str:
    return ", ".join(f"{write.cast} AS {ident(write.name)}" if write.cast else ident(write.name) for write in writes)


def insert_all(target: TargetTable, writes: Sequence[ColumnWrite]) -> str:
    """Every work row into the target, without looking for what is there."""
    names = ", ".join(ident(write.name) for write in writes)
    return f"INSERT INTO {target.table} ({names}) {GIVEN} SELECT {_selected(writes)} FROM pg_temp.{ident(WORK)}"


def difference(
    target: TargetTable,
    table: ExistingTable,
    writes: Sequence[ColumnWrite],
    bounds: Sequence[str],
    cursor: Sequence[str],
    *,
    duplicates: bool,
) -> str:
    """One statement that writes only new and different rows. Result row: distinct, inserted, updated.

    Args:
        target: Where the rows go.
        table: What it is now; columns that the server computes are neither written nor compared.
        writes: How each column was put into the work table.
        bounds: Conditions on ``t`` that hold for every key of the work table, so that one stretch of the key's index
            is read instead of the table.
        cursor: Columns by which the last of several rows with one key wins; after them, the last written.
        duplicates: Whether several rows of one key must be expected.
    """
    names = [write.name for write in writes if write.name not in table.generated]
    key = ", ".join(ident(name) for name in target.key)
    same = " AND ".join(f"t.{ident(name)} = w.{ident(name)}" for name in target.key)
    compared = [name for name in names if name not in target.volatile]
    new_image = ", ".join(f"w.{ident(name)}" for name in compared)
    old_image = ", ".join(f"t.{ident(name)}" for name in compared)
    changed = f"ROW({new_image})::record *<> ROW({old_image})::record"
    # Where the tombstone is one of the row's own columns, an empty one in the new row says it lives.
    revives = target.tombstones and target.tombstone not in names
    if revives:
        changed += f" OR t.{ident(target.tombstone)} IS NOT NULL"
    if target.owner is None:
        old = f"(SELECT * FROM {target.table} t{' WHERE ' + ' AND '.join(bounds) if bounds else ''}) t ON {same}"
    else:
        old = f"{_looked_up(target, 't', same)} t ON true"
    columns = ", ".join(ident(name) for name in names)
    assigned = [f"{ident(name)} = excluded.{ident(name)}" for name in names if name not in table.identities]
    if revives:
        assigned.append(f"{ident(target.tombstone)} = NULL")
    resolved = f"UPDATE SET {', '.join(assigned)}" if assigned else "NOTHING"
    return (
        f"WITH fresh AS ({_fresh(target, writes, cursor, duplicates=duplicates)}), "
        f"changed AS MATERIALIZED (SELECT w.*, t.{ident(target.key[0])} IS NULL AS nucleus_is_new "
        f"FROM fresh w LEFT JOIN {old} WHERE t.{ident(target.key[0])} IS NULL OR {changed}), "
        f"written AS (INSERT INTO {target.table} AS kept ({columns}) {GIVEN} SELECT {columns} FROM changed "
        f"ON CONFLICT ({key}) DO {resolved} RETURNING 1) "
        f"SELECT {'(SELECT count(*) FROM fresh)' if duplicates else '-1'}::bigint AS distinct_rows, "
        "(SELECT count(*) FROM changed WHERE nucleus_is_new)::bigint AS inserted, "
        "(SELECT count(*) FROM changed WHERE NOT nucleus_is_new)::bigint AS updated, "
        "(SELECT count(*) FROM written)::bigint AS written"
    )


def _fresh(target: TargetTable, writes: Sequence[ColumnWrite], cursor: Sequence[str], *, duplicates: bool) -> str:
    source = (
        f"SELECT {_selected(writes)}{', ctid AS nucleus_position' if duplicates else ''} FROM pg_temp.{ident(WORK)}"
    )
    if not duplicates:
        return source
    key = ", ".join(ident(name) for name in target.key)
    last = [f"{ident(name)} DESC NULLS LAST" for name in cursor if name not in target.key]
    columns = ", ".join(ident(write.name) for write in writes)
    order = ", ".join([key, *last, "nucleus_position DESC"])
    return f"SELECT DISTINCT ON ({key}) {columns} FROM ({source}) every ORDER BY {order}"


def gone_condition(target: TargetTable) -> str:
    """Rows of the target (``t``) whose key is not in the keys table."""
    same = " AND ".join(f"k.{ident(name)} = t.{ident(name)}" for name in target.identity)
    live = "".join(f"t.{condition} AND " for condition in target.live)
    return f"{live}NOT EXISTS (SELECT 1 FROM pg_temp.{ident(KEYS)} k WHERE {same})"


def listed_condition(target: TargetTable) -> str:
    """Live rows of the target (``t``) whose key is in the keys table."""
    same = " AND ".join(f"k.{ident(name)} = t.{ident(name)}" for name in target.identity)
    live = "".join(f"t.{condition} AND " for condition in target.live)
    return f"{live}EXISTS (SELECT 1 FROM pg_temp.{ident(KEYS)} k WHERE {same})"


def missing_keys(target: TargetTable, versions: Sequence[str], limit: int) -> str:
    """Keys of the keys table, as text, that the target lacks, or holds as a tombstone or in another version."""
    same = " AND ".join(f"k.{ident(name)} = t.{ident(name)}" for name in target.identity)
    live = "".join(f" AND t.{condition}" for condition in target.live)
    # json has no ``=``; its text is kept as it was written.
    kinds = {name: "::text" if target.columns.get(name) == "json" else "" for name in versions}
    equal = "".join(
        f" AND (k.{ident(name)} IS NULL OR k.{ident(name)}{kind} = t.{ident(name)}{kind})"
        for name, kind in kinds.items()
    )
    texts = ", ".join(f"k.{ident(name)}::text AS k{index}" for index, name in enumerate(target.identity))
    return (
        f"SELECT {texts} FROM pg_temp.{ident(KEYS)} k "
        f"WHERE NOT EXISTS (SELECT 1 FROM {target.table} t WHERE {same}{live}{equal}) LIMIT {limit}"
    )


def moved_condition(target: TargetTable) -> str:
    """Live rows of the target (``t``) whose source row is in the work table under another key: it moved there."""
    (source_id,), (key,) = target.identity, target.key
    live = "".join(f" AND m.{condition}" for condition in target.live)
    same_source = f"m.{ident(source_id)} = w.{ident(source_id)} AND m.{ident(key)} <> w.{ident(key)}{live}"
    moved = f"SELECT o.{ident(key)} FROM pg_temp.{ident(WORK)} w CROSS JOIN {_looked_up(target, 'm', same_source)} o"
    taken = f"SELECT 1 FROM pg_temp.{ident(WORK)} k WHERE k.{ident(key)} = t.{ident(key)}"
    return f"t.{ident(key)} = ANY (ARRAY({moved})) AND NOT EXISTS ({taken})"


def _looked_up(target: TargetTable, alias: str, condition: str) -> str:
    """Target rows looked up one work row (``w``) at a time; ``OFFSET 0`` keeps the planner from reading the table.

    Keys of a slice lie all over a shared table, and while it is being filled its statistics say nothing.
    """
    return f"LATERAL (SELECT * FROM {target.table} {alias} WHERE {condition} OFFSET 0)"


def remove_gone_sql(target: TargetTable, on_gone: GonePolicy, condition: str) -> str | None:
    """The statement that removes or marks rows (``t``); None where they are left alone."""
    if on_gone == "delete":
        return f"DELETE FROM {target.table} t WHERE {condition}"
    if on_gone == "tombstone":
        return f"UPDATE {target.table} t SET {ident(target.tombstone)} = clock_timestamp() WHERE {condition}"
    return None


def rows_of_other_owners(target: TargetTable) -> str:
    """Keys of the work table that live rows of another owner or dataset hold, with both."""
    (key,) = target.key
    same = f"s.{ident(key)} = w.{ident(key)}"
    mine = f"({literal(target.owner or '')}, {literal(target.dataset or '')})"
    return (
        f"SELECT t.{ident(key)}::text AS key, t.{ident(OWNER)}::text AS owner, "
        f"t.{ident(DATASET)}::text AS dataset FROM pg_temp.{ident(WORK)} w "
        f"CROSS JOIN {_looked_up(target, 's', same)} t "
        f"WHERE (t.{ident(OWNER)}, t.{ident(DATASET)}) <> {mine} "
        f"AND t.{ident(target.tombstone)} IS NULL LIMIT 1"
    )
