"""Stage 3, stage: a slice's batches into a sealed session. Export and stage are one step: batches never wait."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import uuid4

from contracts.errors import SliceRereadError
from contracts.receipts import RunHandle, StageReceipt
from contracts.staging import StagingContext, StagingProvider
from flows.stages.export import Export

if TYPE_CHECKING:
    from threading import Event

    from contracts.endpoint import SourceEndpoint
    from contracts.plan import IngestionPlan, IngestionSlice


def stage_slice(
    source: SourceEndpoint,
    staging: StagingProvider,
    run: RunHandle,
    plan: IngestionPlan,
    piece: IngestionSlice,
    view: str | None = None,
    *,
    workspace_id: str = "default",
    stop: Event | None = None,
) -> StageReceipt:
    """Export one slice to staging and seal it; a failed try leaves nothing a reader would accept.

    Raises:
        ExportError: The source failed.
        StageError: The staging area failed.
    """
    try:
        return _once(source, staging, run, plan, piece, view, workspace_id, stop)
    except SliceRereadError as wanted:
        again = piece.model_copy(update={"params": {**piece.params, **wanted.params}})
        return _once(source, staging, run, plan, again, view, workspace_id, stop)


def _once(
    source: SourceEndpoint,
    staging: StagingProvider,
    run: RunHandle,
    plan: IngestionPlan,
    piece: IngestionSlice,
    view: str | None,
    workspace_id: str,
    stop: Event | None,
) -> StageReceipt:
    started = time.monotonic()
    context = staging_context(run, piece, workspace_id)
    with (
        closing(Export(source, plan, piece, view, stop)) as export,
        closing(staging.allocate_session(context)) as session,
    ):
        writer = session.writer()
        rows = sum(writer.write_batch(batch) for batch in export)
        report = export.report.model_dump(mode="json", exclude_defaults=True)
        reported = {"report": report} if report else {}
        handle = session.seal({"unit_id": run.ref.unit_id, "slice_key": piece.key, **reported})
    total_s = time.monotonic() - started
    # What the source reported is sealed with the rows, where the sink reads it: a receipt stays small (I5).
    small = handle.model_copy(update={"metadata": {"unit_id": run.ref.unit_id, "slice_key": piece.key}})
    return StageReceipt(
        slice_key=piece.key, handle=small, rows=rows, source_s=export.source_s, stage_s=total_s - export.source_s
    )


def staging_context(run: RunHandle, piece: IngestionSlice, workspace_id: str) -> StagingContext:
    """Where a try of a slice is staged; every try has a name of its own."""
    return StagingContext(
        workspace_id=workspace_id,
        endpoint_id=run.ref.endpoint_id,
        unit_id=run.ref.unit_id,
        run_id=run.run_id,
        slice_key=piece.key,
        sequence=piece.sequence,
        attempt=f"{run.epoch}-{uuid4().hex[:8]}",
    )
