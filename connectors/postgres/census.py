"""Finding rows that are gone at the source, and rows that are missing here, by comparing keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.postgres import merge
from connectors.postgres.sql import ident, where
from connectors.postgres.target import TOMBSTONE, Target
from connectors.postgres.types import ColumnWrite, column_write
from contracts.errors import CompletenessGapError, DeleteGuardError
from contracts.receipts import CensusReceipt

if TYPE_CHECKING:
    from connectors.postgres.client import Session
    from contracts.model import Json
    from contracts.plan import IngestionPlan
    from contracts.staging import RecordReader

MAX_MISSING = 10_000


def live_rows(session: Session, target: Target) -> int:
    """Rows of the target that are not tombstoned."""
    return int(
        session.value(
            f"SELECT count(*)::bigint AS n FROM {target.table}{where(target.live)}", f"counting {target.table}"
        )
    )


def reconcile(
    session: Session, target: Target, existing: dict[str, str], plan: IngestionPlan, reader: RecordReader
) -> tuple[CensusReceipt, tuple[Json, ...]]:
    """Compare, guard, remove; inside the caller's transaction."""
    _fill_keys(session, target, existing, reader)
    at_source, in_sink = reader.manifest.rows, live_rows(session, target)
    gone_sql = f"FROM {target.table} t WHERE {merge.gone_condition(target)}"
    gone = int(session.value(f"SELECT count(*)::bigint AS n {gone_sql}", f"comparing keys of {target.table}"))
    on_gone = plan.on_gone
    _guard(target, plan, gone, in_sink)
    missing = _missing(session, target)
    deleted = tombstoned = 0
    if gone and on_gone == "delete":
        session.execute(f"DELETE {gone_sql}", f"removing gone rows from {target.table}")
        deleted = gone
    elif gone and on_gone == "tombstone":
        mark = (
            f"UPDATE {target.table} t SET {ident(TOMBSTONE)} = clock_timestamp() WHERE {merge.gone_condition(target)}"
        )
        session.execute(mark, f"marking gone rows in {target.table}")
        tombstoned = gone
    receipt = CensusReceipt(
        rows_at_source=at_source,
        rows_in_sink=in_sink,
        rows_gone=gone,
        rows_deleted=deleted,
        rows_tombstoned=tombstoned,
        rows_missing=len(missing),
    )
    return receipt, missing


def _fill_keys(session: Session, target: Target, existing: dict[str, str], reader: RecordReader) -> None:
    """The keys as a table of the target's own types, so that comparing them can use the key's index."""
    declared = ", ".join(f"{ident(name)} {existing[name]}" for name in target.key)
    session.execute(f"CREATE TEMPORARY TABLE {ident(merge.KEYS)} ({declared}) ON COMMIT DROP", "making a keys table")
    writes: list[ColumnWrite] = []
    for frame in reader.iter_batches():
        if not writes:
            writes = [column_write(name, dtype, existing[name]) for name, dtype in frame.schema.items()]
            session.execute(merge.create_work(writes), "making a work table")
        if frame.height:
            encoded = frame.select([write.encoded for write in writes])
            session.copy_in(merge.WORK, encoded, schema=None, doing="copying keys")
    names = ", ".join(ident(write.name) for write in writes)
    values = ", ".join(write.cast or ident(write.name) for write in writes)
    session.execute(
        f"INSERT INTO pg_temp.{ident(merge.KEYS)} ({names}) SELECT {values} FROM pg_temp.{ident(merge.WORK)}",
        "casting keys",
    )
    session.execute(f"ANALYZE pg_temp.{ident(merge.KEYS)}", "analysing the keys")


def _guard(target: Target, plan: IngestionPlan, gone: int, in_sink: int) -> None:
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


def _missing(session: Session, target: Target) -> tuple[Json, ...]:
    rows = session.rows(merge.missing_keys(target, MAX_MISSING + 1), f"comparing keys of {target.table}")
    if len(rows) > MAX_MISSING:
        raise CompletenessGapError(
            f"More than {MAX_MISSING} keys of the source are missing in {target.table} after a complete run",
            "Run again; if it stays, compare source and sink with nucleus verify.",
            table=target.table,
        )
    return tuple(dict(zip(target.key, row, strict=True)) for row in rows)
