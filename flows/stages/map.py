"""Stage 4, map: staged rows as the sink wants them. Raw rows pass untouched; a mapper makes common-model rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.mapping import MapContext

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from contracts.mapping import CdmMapper
    from contracts.plan import IngestionPlan
    from contracts.staging import RecordReader, StagingManifest


class MappedReader:
    """A ``RecordReader`` whose batches have been through a mapper, one at a time."""

    def __init__(self, reader: RecordReader, mapper: CdmMapper, context: MapContext) -> None:
        self._reader = reader
        self._mapper, self._context = mapper, context

    @property
    def manifest(self) -> StagingManifest:
        """Of the staged rows, before mapping."""
        return self._reader.manifest

    def iter_batches(self, chunk_size: int | None = None) -> Iterator[Any]:
        """Mapped frames, in order."""
        for frame in self._reader.iter_batches(chunk_size):
            yield self._mapper(frame.lazy(), self._context).collect()


def map_frame(frame: Any, mapper: CdmMapper, plan: IngestionPlan, began_at: datetime) -> Any:
    """One frame as rows of the common model; columns that it does not have count as null."""
    return mapper(frame.lazy(), _context(plan, began_at)).collect()


def map_slice(reader: RecordReader, mapper: CdmMapper | None, plan: IngestionPlan, began_at: datetime) -> RecordReader:
    """The reader the sink gets: the staged one in raw mode, a mapping one otherwise."""
    if mapper is None:
        return reader
    return MappedReader(reader, mapper, _context(plan, began_at))


def _context(plan: IngestionPlan, began_at: datetime) -> MapContext:
    return MapContext(endpoint_id=plan.endpoint_id, dataset=plan.unit.dataset, ingested_at=began_at)
