"""What every sink counts while it writes a slice, and the receipt that is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.receipts import UpsertReceipt

if TYPE_CHECKING:
    from contracts.plan import IngestionSlice
    from contracts.receipts import RunHandle
    from contracts.staging import RecordReader


@dataclass
class SliceCounts:
    """What happened to the rows of a slice; ``strategy`` says how they were written, ``nothing`` for no rows."""

    strategy: str
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    tombstoned: int = 0
    duplicate: int = 0


def receipt_of(
    run: RunHandle, piece: IngestionSlice, reader: RecordReader, counts: SliceCounts, seconds: float
) -> UpsertReceipt:
    """The receipt of a slice as written."""
    report = reader.manifest.report
    return UpsertReceipt(
        slice_key=piece.key,
        sequence=piece.sequence,
        epoch=run.epoch,
        rows_staged=reader.manifest.rows,
        rows_inserted=counts.inserted,
        rows_updated=counts.updated,
        rows_unchanged=counts.unchanged,
        rows_deleted=counts.deleted,
        rows_tombstoned=counts.tombstoned,
        rows_duplicate=counts.duplicate,
        bytes_staged=reader.manifest.bytes,
        expected_rows=piece.expected_rows if report.expected_rows is None else report.expected_rows,
        observed=report.observed,
        gaps=report.gaps,
        seconds=seconds,
        strategy=counts.strategy,
    )
