"""What manifests say of a run: its epoch when it begins, and the receipt of each slice beside the slice's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.lake.runs import ref_key
from connectors.object_parquet.manifests import Manifest

if TYPE_CHECKING:
    from connectors.object_parquet.manifests import TableState
    from connectors.object_parquet.upsert import WrittenFiles
    from contracts.receipts import RunHandle, UpsertReceipt


def beginning(state: TableState, run: RunHandle) -> Manifest:
    """The commit that makes the run's epoch the table's."""
    ref = ref_key(run.ref)
    return Manifest(
        table_id=state.table_id, operation="begin", epochs={ref: run.epoch}, runs={ref: run.run_id}, last_ref=run.ref
    )


def filed(state: TableState, run: RunHandle, receipt: UpsertReceipt, written: WrittenFiles) -> Manifest:
    """The commit of a slice or a census."""
    return Manifest(
        table_id=state.table_id,
        operation="census" if receipt.is_census else "slice",
        receipts={ref_key(run.ref): {receipt.slice_key: receipt}},
        added=tuple(written.added),
        removed=tuple(written.removed),
    )


def receipts_of(state: TableState, run: RunHandle) -> dict[str, UpsertReceipt]:
    """Receipts of the run by slice key."""
    ref = ref_key(run.ref)
    return dict(state.receipts.get(ref, {})) if state.runs.get(ref) == run.run_id else {}
