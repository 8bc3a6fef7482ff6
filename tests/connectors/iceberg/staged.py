"""A frame as a sealed session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.staging import StagingContext
from staging.memory import MemoryStaging

if TYPE_CHECKING:
    import polars as pl

    from contracts.staging import RecordReader


def staged(frame: pl.DataFrame) -> RecordReader:
    context = StagingContext(endpoint_id="e", unit_id="u", run_id="r", slice_key="s", sequence=0, attempt="1")
    session = MemoryStaging().allocate_session(context)
    session.writer().write_batch(frame)
    session.seal()
    return session.reader()
