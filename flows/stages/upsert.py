"""Stage 5, upsert: a sealed session into the sink, and the census of keys that ends a full run."""

from __future__ import annotations

from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contracts.endpoint import (
    SinkEndpoint,
    SourceEndpoint,
    SupportsDeleteDetection,
    SupportsGoneFeed,
    SupportsReconcile,
)
from contracts.errors import CompletenessGapError
from contracts.plan import IngestionPlan, IngestionSlice
from contracts.receipts import CensusReceipt, RunHandle, StageReceipt, UpsertReceipt
from flows.stages.export import RunStopped, close_batches
from flows.stages.map import map_slice
from flows.stages.stage import staging_context

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from threading import Event

    from contracts.mapping import CdmMapper
    from contracts.model import Json
    from contracts.staging import Batch, StagingContext, StagingHandle, StagingProvider


def upsert_slice(
    sink: SinkEndpoint,
    staging: StagingProvider,
    run: RunHandle,
    plan: IngestionPlan,
    piece: IngestionSlice,
    staged: StageReceipt,
    mapper: CdmMapper | None = None,
    *,
    began_at: datetime | None = None,
    keep_staged: bool = True,
) -> UpsertReceipt:
    """Write one staged slice with its receipt; afterwards its session is consumed, or removed.

    Raises:
        UpsertError: Nothing was written, or the receipts know.
        RunSupersededError: A newer run holds the epoch.
    """
    with closing(staging.open_session(staged.handle)) as session:
        receipt = sink.upsert(
            run, plan, piece, map_slice(session.reader(), mapper, plan, began_at or datetime.now(UTC))
        )
    if keep_staged:
        staging.mark_consumed(staged.handle)
    else:
        staging.delete(staged.handle.key)
    return receipt


def take_census(
    source: SourceEndpoint,
    sink: SinkEndpoint,
    staging: StagingProvider,
    run: RunHandle,
    plan: IngestionPlan,
    receipts: Sequence[UpsertReceipt],
    view: str | None,
    *,
    workspace_id: str = "default",
    stop: Event | None = None,
) -> tuple[CensusReceipt | None, tuple[Json, ...]]:
    """After every slice: treat rows that are gone, name keys that are missing. None when it cannot apply.

    When a full run has read every key once (one view, one process), every staged key is in the sink; then equal counts
    mean equal keys, and nothing has to be compared. A run that went on in a second process compares always, and so does
    one whose late slices read rows again: behind each of them a row that is gone could hide.
    """
    if not plan.unit.primary_key or not isinstance(sink, SupportsReconcile):
        return None, ()
    if gaps(plan, receipts):
        why = "parts of the unit could not be read: what is missing is not known to be gone"
        return CensusReceipt(rows_at_source=0, rows_in_sink=sink.count_rows(plan), skipped=why), ()
    context = staging_context(run, IngestionSlice(key="census", sequence=len(plan.slices)), workspace_id)
    if not (plan.mode == "full" or plan.census):
        return _follow_feed(source, sink, staging, run, plan, context, view, stop), ()
    if not isinstance(source, SupportsDeleteDetection):
        return None, ()
    at_source = sum(receipt.rows_staged - receipt.rows_duplicate for receipt in receipts if not receipt.is_census)
    read_once = plan.mode == "full" and not run.resumed and not _read_late(plan, receipts)
    in_sink = sink.count_rows(plan)
    why = ""
    if read_once and in_sink == at_source:
        why = "as many rows in the sink as were read in one go"
    elif read_once and plan.on_gone == "ignore":
        why = "policy on_gone is ignore"
    if why:
        return CensusReceipt(rows_at_source=at_source, rows_in_sink=in_sink, skipped=why), ()
    handle = _stage_keys(source.export_keys(plan, view), staging, context, stop)
    with closing(staging.open_session(handle)) as session:
        census, missing = sink.reconcile(run, plan, session.reader())
    staging.delete(handle.key)
    return census, missing


def _read_late(plan: IngestionPlan, receipts: Sequence[UpsertReceipt]) -> bool:
    planned = {piece.key for piece in plan.slices}
    return any(one.rows_staged for one in receipts if one.slice_key not in planned and not one.is_census)


def _follow_feed(
    source: SourceEndpoint,
    sink: SupportsReconcile,
    staging: StagingProvider,
    run: RunHandle,
    plan: IngestionPlan,
    context: StagingContext,
    view: str | None,
    stop: Event | None,
) -> CensusReceipt | None:
    """Rows that the source itself says are gone since the checkpoint."""
    keys = source.gone_keys(plan, view) if isinstance(source, SupportsGoneFeed) else None
    if keys is None:
        return None
    handle = _stage_keys(keys, staging, context, stop)
    census = None
    if handle.rows:
        with closing(staging.open_session(handle)) as session:
            census = sink.remove(run, plan, session.reader())
    staging.delete(handle.key)
    return census


def _stage_keys(
    keys: Iterator[Batch], staging: StagingProvider, context: StagingContext, stop: Event | None
) -> StagingHandle:
    with closing(staging.allocate_session(context)) as session, ExitStack() as reading:
        reading.callback(close_batches, keys)
        writer = session.writer()
        for batch in keys:
            if stop is not None and stop.is_set():
                raise RunStopped
            writer.write_batch(batch)
        return session.seal({"census": True})


def gaps(plan: IngestionPlan, receipts: Iterable[UpsertReceipt], written: Iterable[str] = ()) -> tuple[str, ...]:
    """One line for each slice whose rows are not accounted for (I9, I13).

    Args:
        plan: Of the run.
        receipts: As the sink holds them.
        written: Keys of slices that this process was told are in the sink.
    """
    by_key = {receipt.slice_key: receipt for receipt in receipts}
    promised = dict.fromkeys([*(piece.key for piece in plan.slices), *written])
    lines = [f"slice {key} has no receipt" for key in promised if key not in by_key]
    for receipt in sorted(by_key.values(), key=lambda each: each.sequence):
        lines += [f"slice {receipt.slice_key}: {gap}" for gap in receipt.gaps]
        if receipt.expected_rows is not None and receipt.expected_rows != receipt.rows_staged:
            lines.append(f"slice {receipt.slice_key}: expected {receipt.expected_rows}, received {receipt.rows_staged}")
        written_rows = receipt.rows_inserted + receipt.rows_updated + receipt.rows_unchanged + receipt.rows_duplicate
        if not receipt.is_census and written_rows != receipt.rows_staged:
            lines.append(
                f"slice {receipt.slice_key}: {receipt.rows_staged} staged, {written_rows} accounted for in the sink"
            )
    return tuple(lines)


def refuse_gaps(plan: IngestionPlan, receipts: Iterable[UpsertReceipt], written: Iterable[str] = ()) -> tuple[str, ...]:
    """The gaps, when the policy allows a partial success.

    Raises:
        CompletenessGapError: There are gaps and the policy does not allow them.
    """
    lines = gaps(plan, receipts, written)
    if lines and not plan.policy.allow_partial:
        raise CompletenessGapError(
            f"{plan.unit.unit_id}: {len(lines)} slice(s) are not complete: {'; '.join(lines[:5])}",
            "Run again; with allow_partial in the unit's policy the run succeeds and lists the gaps.",
            gaps=list(lines),
        )
    return lines
