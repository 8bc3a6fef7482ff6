"""Finding rows that are gone at the source, and rows that are missing here, by comparing keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.postgres import merge
from connectors.postgres.sql import ident
from connectors.postgres.types import ColumnWrite, column_write
from connectors.sql.predicates import where
from contracts.errors import CompletenessGapError, DeleteGuardError
from contracts.receipts import CensusReceipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

    from connectors.postgres.session import Session
    from connectors.postgres.target import TargetTable
    from contracts.model import Json
    from contracts.plan import IngestionPlan
    from contracts.staging import RecordReader

MAX_MISSING = 10_000
_BATCH_BYTES = 1024 * 1024


def live_rows(session: Session, target: TargetTable) -> int:
    """Rows of the target that are not tombstoned."""
    return int(
        session.value(
            f"SELECT count(*)::bigint AS n FROM {target.table}{where(target.live)}", f"counting {target.table}"
        )
    )


def reconcile(
    session: Session, target: TargetTable, existing: dict[str, str], plan: IngestionPlan, reader: RecordReader
) -> tuple[CensusReceipt, tuple[Json, ...]]:
    """Compare, guard, remove; inside the caller's transaction."""
    filled = _fill_keys(session, target, existing, plan, reader)
    at_source, in_sink = reader.manifest.rows, live_rows(session, target)
    condition = merge.gone_condition(target)
    counting = f"SELECT count(*)::bigint AS n FROM {target.table} t WHERE {condition}"
    gone = int(session.value(counting, f"comparing keys of {target.table}"))
    on_gone = plan.on_gone
    _guard(target, plan, gone, in_sink)
    missing = _missing(session, target, plan, [name for name in filled if name not in target.identity])
    statement = merge.remove_gone_sql(target, on_gone, condition) if gone else None
    if statement is not None:
        session.execute(statement, f"treating gone rows of {target.table}")
    receipt = CensusReceipt(
        rows_at_source=at_source,
        rows_in_sink=in_sink,
        rows_gone=gone,
        rows_deleted=gone if on_gone == "delete" else 0,
        rows_tombstoned=gone if on_gone == "tombstone" else 0,
        rows_missing=len(missing),
    )
    return receipt, missing


def remove(
    session: Session, target: TargetTable, existing: dict[str, str], plan: IngestionPlan, reader: RecordReader
) -> CensusReceipt:
    """Treat rows of these keys as gone; inside the caller's transaction."""
    _fill_keys(session, target, existing, plan, reader)
    condition = merge.listed_condition(target)
    counting = f"SELECT count(*)::bigint AS n FROM {target.table} t WHERE {condition}"
    gone, in_sink = int(session.value(counting, f"looking in {target.table}")), live_rows(session, target)
    _guard(target, plan, gone, in_sink)
    statement = merge.remove_gone_sql(target, plan.on_gone, condition) if gone else None
    if statement is not None:
        session.execute(statement, f"treating gone rows of {target.table}")
    return CensusReceipt(
        rows_at_source=0,
        rows_in_sink=in_sink,
        rows_gone=gone,
        rows_deleted=gone if plan.on_gone == "delete" else 0,
        rows_tombstoned=gone if plan.on_gone == "tombstone" else 0,
    )


def find_keys(
    session: Session,
    target: TargetTable,
    existing: dict[str, str],
    plan: IngestionPlan,
    reader: RecordReader | None,
    *,
    absent: bool,
) -> Iterator[pl.DataFrame]:
    """Keys of live rows, by the unit's own column names, as text; inside the caller's transaction."""
    conditions = [f"t.{condition}" for condition in target.live]
    if reader is not None:
        given = _fill_keys(session, target, existing, plan, reader)
        compared = target.identity if set(target.identity) <= set(given) else given
        same = " AND ".join(f"k.{ident(name)} = t.{ident(name)}" for name in compared)
        conditions.append(
            f"{'NOT ' if absent else ''}EXISTS (SELECT 1 FROM pg_temp.{ident(merge.KEYS)} k WHERE {same})"
        )
    names = zip(target.identity, plan.unit.primary_key, strict=True)
    keys = ", ".join(f"t.{ident(held)}::text AS {ident(name)}" for held, name in names)
    sql = f"SELECT {keys} FROM {target.table} t{where(conditions)}"
    yield from session.stream(sql, _BATCH_BYTES, f"looking for keys in {target.table}")


def _fill_keys(
    session: Session, target: TargetTable, existing: dict[str, str], plan: IngestionPlan, reader: RecordReader
) -> tuple[str, ...]:
    """The rows as a table of the target's own types, so that comparing them can use an index; gives its columns.

    The unit's key columns are the target's identity; others are columns of the target.
    """
    writes: list[ColumnWrite] = []
    for frame in reader.iter_batches():
        if not writes:
            shared = target.owner is not None
            types = {**existing, **(dict.fromkeys(plan.unit.primary_key, "text") if shared else {})}
            writes = [column_write(name, dtype, types[name]) for name, dtype in frame.schema.items()]
            session.execute(merge.create_work(writes), "making a work table")
        if frame.height:
            encoded = frame.select([write.encoded for write in writes])
            session.copy_in(merge.WORK, encoded, schema=None, doing="copying keys")
    values = {write.name: write.cast or ident(write.name) for write in writes}
    key = [values.pop(name) for name in plan.unit.primary_key if name in values]
    values_of_key = key if target.owner is None else [f"concat_ws(':', {', '.join(key)})"]
    filled = {**(dict(zip(target.identity, values_of_key, strict=True)) if key else {}), **values}
    declared = ", ".join(f"{ident(name)} {existing[name]}" for name in filled)
    session.execute(f"CREATE TEMPORARY TABLE {ident(merge.KEYS)} ({declared}) ON COMMIT DROP", "making a keys table")
    session.execute(
        f"INSERT INTO pg_temp.{ident(merge.KEYS)} ({', '.join(ident(name) for name in filled)}) "
        f"SELECT {', '.join(filled.values())} FROM pg_temp.{ident(merge.WORK)}",
        "casting keys",
    )
    session.execute(f"ANALYZE pg_temp.{ident(merge.KEYS)}", "analysing the keys")
    return tuple(filled)


def _guard(target: TargetTable, plan: IngestionPlan, gone: int, in_sink: int) -> None:
    allowed = plan.policy.max_delete_fraction
    if plan.on_gone == "ignore" or gone <= in_sink * allowed:
        return
    raise DeleteGuardError(
        f"{gone} of {in_sink} rows in {target.table} are gone at the source, more than max_delete_fraction "
        f"{allowed:g} allows",
        "If that is right, raise max_delete_fraction for this unit and run again; nothing was removed.",
        rows_gone=gone,
        rows_in_sink=in_sink,
        max_delete_fraction=allowed,
    )


def _missing(session: Session, target: TargetTable, plan: IngestionPlan, versions: Sequence[str]) -> tuple[Json, ...]:
    """Keys by the unit's own column names; of a shared table only units with one key column can be repaired."""
    rows = session.rows(merge.missing_keys(target, versions, MAX_MISSING + 1), f"comparing keys of {target.table}")
    if len(rows) > MAX_MISSING:
        raise CompletenessGapError(
            f"More than {MAX_MISSING} keys of the source are missing or stale in {target.table} after a complete run",
            "Run again; if it stays, compare source and sink with nucleus verify.",
            table=target.table,
        )
    names = plan.unit.primary_key if target.owner is not None else target.key
    return tuple(dict(zip(names, row, strict=True)) for row in rows)
