"""After every slice: rows that are gone at the source are treated, and keys that the sink lacks are named.

What a list of keys does not show is asked for by key before it counts as gone: a list whose pages shift while it is
read can leave out a row that is there.
"""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import polars as pl

from contracts.lookup import SupportsChildren, SupportsGoneFeed, SupportsKeyLookup, SupportsKeySearch
from contracts.plan import IngestionSlice
from contracts.receipts import CensusReceipt
from contracts.traits import SupportsDeleteDetection, SupportsLateSlices, SupportsReconcile
from flows.stages.export import RunStopped, close_batches
from flows.stages.map import map_frame
from flows.stages.stage import staging_context
from flows.stages.upsert import gaps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from contracts.model import Json
    from contracts.plan import IngestionPlan
    from contracts.receipts import UpsertReceipt
    from contracts.staging import Batch, RecordReader
    from flows.stages.executor import SliceContext

LOOKED_UP = 1_000
"""Keys that a source is asked about at a time."""


def take_census(
    context: SliceContext, receipts: Sequence[UpsertReceipt]
) -> tuple[CensusReceipt | None, tuple[Json, ...]]:
    """What became of rows that are gone, and keys that are missing. None when nothing applies.

    When a run over everything has read every key once, every staged key is in the sink; then equal counts mean equal
    keys, and nothing has to be compared. A run whose late slices read rows again compares always: behind each of them a
    row that is gone could hide. So does one that went on in a second process, unless its source has late slices: they
    show what was read twice.
    """
    source, sink, plan = context.source, context.sink, context.plan
    if not plan.unit.primary_key or not isinstance(sink, SupportsReconcile):
        return None, ()
    if gaps(plan, receipts):
        why = "parts of the unit could not be read: what is missing is not known to be gone"
        return CensusReceipt(rows_at_source=0, rows_in_sink=sink.count_rows(plan), skipped=why), ()
    census = _Census(context, sink)
    if not (plan.mode == "full" or plan.census):
        return census.follow_source(), ()
    if not isinstance(source, SupportsDeleteDetection):
        return None, ()
    at_source = sum(receipt.rows_staged - receipt.rows_duplicate for receipt in receipts if not receipt.is_census)
    in_one_go = not context.run.resumed or isinstance(source, SupportsLateSlices)
    everything = plan.mode == "full" or plan.checkpoint_before is None
    read_once = everything and in_one_go and not _read_late(plan, receipts)
    in_sink = sink.count_rows(plan)
    why = ""
    if read_once and in_sink == at_source:
        why = "as many rows in the sink as were read once"
    elif read_once and plan.on_gone == "ignore":
        why = "policy on_gone is ignore"
    if why:
        return CensusReceipt(rows_at_source=at_source, rows_in_sink=in_sink, skipped=why), ()
    return census.compare(source)


def _read_late(plan: IngestionPlan, receipts: Sequence[UpsertReceipt]) -> bool:
    planned = {piece.key for piece in plan.slices}
    return any(one.rows_staged for one in receipts if one.slice_key not in planned and not one.is_census)


def _one_after_the_other(listed: RecordReader, overlooked: RecordReader) -> Iterator[Batch]:
    """The rows of both, in the shape of the first; what the second lacks is null."""
    shape = None
    for batch in listed.iter_batches():
        frame = pl.DataFrame(batch)
        shape = frame.clear() if shape is None else shape
        yield frame
    for batch in overlooked.iter_batches():
        frame = pl.DataFrame(batch)
        yield frame if shape is None else pl.concat([shape, frame], how="diagonal_relaxed")


class _Census:
    """The ways to find what is gone; keys lie in staging meanwhile, never all in memory."""

    def __init__(self, context: SliceContext, sink: SupportsReconcile) -> None:
        self._context, self._plan, self._sink = context, context.plan, sink

    def compare(self, source: SupportsDeleteDetection) -> tuple[CensusReceipt | None, tuple[Json, ...]]:
        """The sink's keys with a list of the source's; where there is no such list, by looking them up."""
        sink, plan = self._sink, self._plan
        if not (isinstance(source, SupportsKeyLookup) and isinstance(sink, SupportsKeySearch)):
            with self._staged(self._with_versions(source.export_keys(plan, self._context.view))) as keys:
                return sink.reconcile(self._context.run, plan, keys)
        if not source.lists_keys(plan):
            return self._remove(self._absent(source, sink.find_keys(plan))), ()
        with (
            self._staged(self._with_versions(source.export_keys(plan, self._context.view))) as listed,
            self._staged(self._overlooked(source, sink.find_keys(plan, listed, absent=True))) as overlooked,
        ):
            if not overlooked.manifest.rows:
                return sink.reconcile(self._context.run, plan, listed)
            with self._staged(_one_after_the_other(listed, overlooked)) as keys:
                return sink.reconcile(self._context.run, plan, keys)

    def _with_versions(self, keys: Iterator[Batch]) -> Iterator[Batch]:
        """Keys as the sink compares them: other columns than the key's become those of the common model."""
        context, model = self._context, self._plan.cdm_model
        for frame in map(pl.DataFrame, keys):
            if model is None or context.mapper is None or set(frame.columns) == set(self._plan.unit.primary_key):
                yield frame
                continue
            mapped: pl.DataFrame = map_frame(frame, context.mapper, self._plan, context.started_at)
            versions = [column.name for column in model.columns if column.version]
            yield pl.concat([frame.select(self._plan.unit.primary_key), mapped.select(versions)], how="horizontal")

    def _overlooked(self, source: SupportsKeyLookup, unlisted: Iterator[Batch]) -> Iterator[Batch]:
        """Those of the unlisted keys that the source has: pages of the list shifted while it was read."""
        with self._staged(unlisted) as suspects:
            for batch in suspects.iter_batches(LOOKED_UP):
                frame = pl.DataFrame(batch)
                if frame.height:
                    yield frame.join(pl.DataFrame(source.absent_keys(self._plan, frame)), on=frame.columns, how="anti")

    def follow_source(self) -> CensusReceipt | None:
        """Rows that the source itself says are gone since the checkpoint, and rows that their parents lost."""
        source = self._context.source
        feed = source.gone_keys(self._plan, self._context.view) if isinstance(source, SupportsGoneFeed) else None
        followed = None if feed is None else self._remove(feed)
        return self._lost_by_parents() or followed

    def _lost_by_parents(self) -> CensusReceipt | None:
        source, sink = self._context.source, self._sink
        if not (isinstance(source, SupportsChildren) and isinstance(source, SupportsKeyLookup)):
            return None
        parents = source.parents_read(self._plan) if isinstance(sink, SupportsKeySearch) else None
        if parents is None or not isinstance(sink, SupportsKeySearch):
            return None
        with self._staged(self._as_in_sink(parents)) as those:
            children = sink.find_keys(self._plan, those) if those.manifest.rows else iter(())
            return self._remove(self._absent(source, children))

    def _as_in_sink(self, parents: Iterator[Batch]) -> Iterator[Batch]:
        """Parents by the column of the sink's table that names them: the first, or what the mapper refers to by it."""
        context, model = self._context, self._plan.cdm_model
        for frame in map(pl.DataFrame, parents):
            if model is None or context.mapper is None:
                yield frame.select(frame.columns[0])
            elif frame.height:
                mapped: pl.DataFrame = map_frame(frame, context.mapper, self._plan, context.started_at)
                named = [column.name for column in model.columns if column.references is not None]
                yield mapped.select([name for name in named if mapped[name].null_count() < mapped.height])

    def _absent(self, source: SupportsKeyLookup, keys: Iterator[Batch]) -> Iterator[Batch]:
        """Those of the keys that the source does not have; the sink's search is over before the source is asked."""
        with self._staged(keys) as candidates:
            if candidates.manifest.rows:
                for frame in candidates.iter_batches(LOOKED_UP):
                    yield source.absent_keys(self._plan, frame)

    def _remove(self, keys: Iterator[Batch]) -> CensusReceipt | None:
        with self._staged(keys) as gone:
            return self._sink.remove(self._context.run, self._plan, gone) if gone.manifest.rows else None

    @contextmanager
    def _staged(self, keys: Iterator[Batch]) -> Iterator[RecordReader]:
        """Keys in a session of staging, read to their end; it is deleted afterwards, but kept after an error."""
        context, staging = self._context, self._context.staging
        piece = IngestionSlice(key="census", sequence=len(self._plan.slices))
        with (
            closing(staging.allocate_session(staging_context(context.run, piece, context.workspace_id))) as session,
            ExitStack() as reading,
        ):
            reading.callback(close_batches, keys)
            writer = session.writer()
            for batch in keys:
                if context.stop.is_set():
                    raise RunStopped
                writer.write_batch(batch)
            handle = session.seal({"census": True})
        with closing(staging.open_session(handle)) as session:
            yield session.reader()
        staging.delete(handle.key)
