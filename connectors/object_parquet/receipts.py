"""What manifests say of a run: its epoch when it begins, and the receipt of each slice beside the slice's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.lake.runs import ref_key
from connectors.object_parquet.manifests import Manifest
from contracts.receipts import UpsertReceipt

if TYPE_CHECKING:
    from connectors.object_parquet.manifests import TableState
    from connectors.object_parquet.upsert import WrittenFiles
    from contracts.plan import IngestionSlice
    from contracts.receipts import RunHandle
    from contracts.staging import RecordReader


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


def receipt_of(
    run: RunHandle, piece: IngestionSlice, reader: RecordReader, written: WrittenFiles, seconds: float
) -> UpsertReceipt:
    """The receipt of a slice as written."""
    report = reader.manifest.report
    return UpsertReceipt(
        slice_key=piece.key,
        sequence=piece.sequence,
        epoch=run.epoch,
        rows_staged=reader.manifest.rows,
        rows_inserted=written.inserted,
        rows_updated=written.updated,
        rows_unchanged=written.unchanged,
        rows_deleted=written.deleted,
        rows_tombstoned=written.tombstoned,
        rows_duplicate=written.duplicate,
        bytes_staged=reader.manifest.bytes,
        expected_rows=piece.expected_rows if report.expected_rows is None else report.expected_rows,
        observed=report.observed,
        gaps=report.gaps,
        seconds=seconds,
        strategy=written.strategy,
    )
