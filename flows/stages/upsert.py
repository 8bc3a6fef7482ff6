"""Stage 5, upsert: a sealed session into the sink, and the sums that must hold afterwards."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contracts.errors import CompletenessGapError
from flows.stages.map import map_slice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contracts.endpoint import SinkEndpoint
    from contracts.mapping import CdmMapper
    from contracts.plan import IngestionPlan, IngestionSlice
    from contracts.receipts import RunHandle, StageReceipt, UpsertReceipt
    from contracts.staging import StagingProvider


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

    What the source observed is not in the receipt that is returned, which may cross a process boundary (I5): it can be
    a whole tree of folders. The sink keeps it, and the end of the run reads it there.

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
    return receipt.model_copy(update={"observed": {}})


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
