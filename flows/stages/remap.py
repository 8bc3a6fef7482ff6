"""Map staged raw rows to the common model again, with the current mapper and without reading the source.

Staged sessions are walked from the newest to the oldest, and of each source row only the newest staged state is used:
whatever order runs wrote them in, the sink ends with the newest. Rows that are gone at the source stay gone.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING
from uuid import uuid4

import polars as pl

from contracts.errors import CdmModelUnsupportedError, StageUnsealedError
from contracts.mapping import IDENTITY
from contracts.model import Contract
from contracts.plan import IngestionPlan, IngestionSlice
from contracts.receipts import RunRef
from contracts.traits import SupportsCdm
from flows.stages.map import map_slice
from flows.stages.plan import RunRequest, require_sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.endpoint import SinkEndpoint
    from contracts.mapping import CdmMapper
    from contracts.staging import RecordReader, StagingHandle, StagingManifest, StagingProvider

SOURCE_ID = IDENTITY[1]


class RemapSummary(Contract):
    """What a remap did, in counters."""

    ref: RunRef
    cdm_model_id: str
    sessions: int
    rows_staged: int
    rows_inserted: int
    rows_updated: int
    rows_unchanged: int
    rows_older: int
    """Staged states that a newer one of the same row replaced, or whose row is gone."""
    rows_in_sink: int
    """Live rows afterwards; more than were remapped when older sessions have been cleaned from staging."""


class NewestOnly:
    """A reader that leaves out rows whose key came before in a newer session. Holds the keys that were seen."""

    def __init__(self, gone: pl.Series) -> None:
        self._seen = gone
        self.left_out = 0

    def reading(self, reader: RecordReader, key: tuple[str, ...]) -> RecordReader:
        """The reader's rows that are the newest of their key; its keys then count as seen."""
        return _Filtered(reader, key, self)

    def newest(self, frame: pl.DataFrame, key: tuple[str, ...], older: pl.Series) -> pl.DataFrame:
        """Rows whose key is not among ``older``; all keys of the frame count as seen from now on."""
        ids = frame.select(pl.concat_str([pl.col(name).cast(pl.String) for name in key], separator=":")).to_series()
        kept = frame.filter(~ids.is_in(older.implode()))
        self.left_out += frame.height - kept.height
        self._seen = pl.concat([self._seen, ids.rename(SOURCE_ID)]).unique()
        return kept

    @property
    def seen(self) -> pl.Series:
        """Keys of newer sessions, and of rows that are gone."""
        return self._seen


class _Filtered:
    def __init__(self, reader: RecordReader, key: tuple[str, ...], newest: NewestOnly) -> None:
        self._reader, self._key, self._newest = reader, key, newest
        self._older = newest.seen

    @property
    def manifest(self) -> StagingManifest:
        return self._reader.manifest

    def iter_batches(self, chunk_size: int | None = None) -> Iterator[pl.DataFrame]:
        for frame in self._reader.iter_batches(chunk_size):
            yield self._newest.newest(frame, self._key, self._older)


def remap(sink: SinkEndpoint, staging: StagingProvider, request: RunRequest, mapper: CdmMapper) -> RemapSummary:
    """Map what is staged of the unit again and upsert it; nothing else of the unit may run meanwhile.

    Raises:
        CdmModelUnsupportedError: The sink takes no such rows.
        StageUnsealedError: Nothing of the unit is left in staging.
        RunInProgressError: A run of the unit is running.
    """
    require_sink(sink, request)
    if request.cdm_model is None or not isinstance(sink, SupportsCdm):
        raise CdmModelUnsupportedError("Only common-model rows can be mapped again", "Use a unit in data mode `cdm`.")
    with sink.exclusive(request.ref):
        handles = _staged(staging, request)
        plan = _plan(request, handles)
        ref = remap_ref(request.ref)
        sink.last_run(ref)
        run = sink.begin_run(ref, uuid4().hex, plan)
        gone = [pl.DataFrame(batch)[SOURCE_ID] for batch in sink.tombstones(plan)]
        newest = NewestOnly(pl.concat(gone).cast(pl.String))
        receipts = []
        for piece, handle in zip(plan.slices, handles, strict=True):
            with closing(staging.open_session(handle)) as session:
                reader = newest.reading(session.reader(), plan.unit.primary_key)
                mapped = map_slice(reader, mapper, plan, session.reader().manifest.sealed_at)
                receipts.append(sink.upsert(run, plan, piece, mapped))
        sink.finish_run(run, None)
        live = sink.count_rows(plan) if hasattr(sink, "count_rows") else 0
    return RemapSummary(
        ref=request.ref,
        cdm_model_id=request.cdm_model.model_id,
        sessions=len(handles),
        rows_staged=sum(handle.rows for handle in handles),
        rows_inserted=sum(receipt.rows_inserted for receipt in receipts),
        rows_updated=sum(receipt.rows_updated for receipt in receipts),
        rows_unchanged=sum(receipt.rows_unchanged for receipt in receipts) - newest.left_out,
        rows_older=newest.left_out,
        rows_in_sink=live,
    )


def remap_ref(ref: RunRef) -> RunRef:
    """A run of its own in the sink's ledger, so that the unit's frozen plan and receipts stay what they are."""
    return ref.model_copy(update={"unit_id": f"{ref.unit_id}#remap"})


def _staged(staging: StagingProvider, request: RunRequest) -> list[StagingHandle]:
    """Sealed sessions of the unit that a sink has taken, newest first."""
    staged_sessions = []
    for info in staging.sessions(request.ref.endpoint_id):
        if info.state != "consumed":
            continue
        handle = staging.handle(info.key)
        if handle.metadata.get("unit_id") == request.ref.unit_id and handle.rows:
            staged_sessions.append((info.modified_at, handle))
    if not staged_sessions:
        raise StageUnsealedError(
            f"Nothing of {request.ref.endpoint_id}/{request.ref.unit_id} is left in staging",
            "Run the unit in mode full; its rows are staged and mapped by the current mapper.",
        )
    return [handle for _, handle in sorted(staged_sessions, key=lambda pair: (pair[0], pair[1].key), reverse=True)]


def _plan(request: RunRequest, handles: list[StagingHandle]) -> IngestionPlan:
    return IngestionPlan(
        endpoint_id=request.ref.endpoint_id,
        unit=request.unit,
        mode="full",
        strategy="remap",
        reason=f"{len(handles)} staged session(s), newest first",
        slices=tuple(
            IngestionSlice(key=handle.key, sequence=index, params={"explain": handle.key})
            for index, handle in enumerate(handles)
        ),
        policy=request.policy,
        cdm_model=request.cdm_model,
    )
