"""The one loop over a unit's slices: plan, every slice through both steps, census, and the sums that must hold.

The command line, notebooks, tests, Prefect flows and Dask walk this path; only the executor differs.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from contracts.errors import IngestionError
from contracts.receipts import RunSummary, StageReceipt, UpsertReceipt
from contracts.traits import SupportsConsistentView, SupportsDeleteDetection, SupportsLateSlices
from flows.stages.census import take_census
from flows.stages.executor import SliceContext, SliceExecutor, ThreadExecutor
from flows.stages.plan import OpenRun, RunRequest, open_run
from flows.stages.retries import with_retries
from flows.stages.slices import RunControl, SliceListener, SliceWindow
from flows.stages.upsert import refuse_gaps
from flows.stages.waits import throttling_from_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from contracts.endpoint import SinkEndpoint, SourceEndpoint
    from contracts.mapping import CdmMapper
    from contracts.model import Json
    from contracts.plan import IngestionSlice
    from contracts.staging import StagingProvider

ResultT = TypeVar("ResultT")


class RunObserver(SliceListener, Protocol):
    """Is told what happens, in the thread that executes the run. An exception of its own ends the run."""

    def opened(self, opened: OpenRun) -> None:
        """The plan is frozen and the epoch taken."""
        ...

    def finished(self, summary: RunSummary) -> None:
        """The run is over and complete."""
        ...


class SilentObserver:
    """An observer that says nothing."""

    def opened(self, opened: OpenRun) -> None:
        """Ignore."""

    def staged(self, piece: IngestionSlice, receipt: StageReceipt) -> None:
        """Ignore."""

    def upserted(self, piece: IngestionSlice, receipt: UpsertReceipt) -> None:
        """Ignore."""

    def retried(self, piece: IngestionSlice, error: Exception, delay_s: float) -> None:
        """Ignore."""

    def finished(self, summary: RunSummary) -> None:
        """Ignore."""


class UnitRun:
    """One run of one unit; made and used once.

    Args:
        source: Where rows are read.
        sink: Where they are written; it also holds the run's lock, epoch and receipts.
        staging: Where they lie between the two.
        request: What is run.
        mapper: Makes common-model rows; None for raw rows.
        observer: Is told what happens.
        keep_staged: Keep sessions that were written, for remapping; else remove them.
        executor: Where slices are carried out; threads of this process when None.
        control: By which others end the run early.
    """

    def __init__(
        self,
        source: SourceEndpoint,
        sink: SinkEndpoint,
        staging: StagingProvider,
        request: RunRequest,
        *,
        mapper: CdmMapper | None = None,
        observer: RunObserver | None = None,
        keep_staged: bool = True,
        executor: SliceExecutor | None = None,
        control: RunControl | None = None,
    ) -> None:
        self._source, self._sink, self._staging = source, sink, staging
        self._request, self._mapper, self._keep_staged = request, mapper, keep_staged
        self._observer = observer or SilentObserver()
        self._executor = executor or ThreadExecutor()
        self._control = control or RunControl()
        self._receipts: dict[str, UpsertReceipt] = {}
        self._seconds: dict[str, float] = defaultdict(float)
        self._retries: Counter[str] = Counter()

    def stop(self) -> None:
        """Ask the run to end between two batches; it raises ``RunStopped`` and can be continued later."""
        self._control.stop()

    def execute(self) -> RunSummary:
        """Run to the end, holding the sink's lock of the unit.

        Raises:
            IngestionError: The run did not succeed; run again to continue it.
            RunStopped: Somebody stopped or paused it.
        """
        with self._sink.exclusive(self._request.ref):
            return self.execute_locked()

    def execute_locked(self) -> RunSummary:
        """As :meth:`execute`, for a caller that holds the sink's lock already."""
        started, throttling = time.monotonic(), throttling_from_now(self._source)
        with reading_view(self._source) as view:
            opened = self._phase("plan", lambda: open_run(self._source, self._sink, self._request, view))
            context = self._context(opened, view)
            self._receipts.update(opened.done)
            self._control.opened()
            self._observer.opened(opened)
            with self._executor.running(context):
                self._drive(opened.todo, opened)
                self._drive(late_slices(self._source, opened), opened)
                missing = self._phase("census", lambda: self._census(context))
                self._drive(self._repairs(opened, missing), opened)
            summary = self._phase("finish", lambda: self._finish(opened, started))
            summary = summary.model_copy(update={"retries": dict(self._retries), "throttling": throttling()})
        self._observer.finished(summary)
        return summary

    def staged(self, piece: IngestionSlice, receipt: StageReceipt) -> None:
        """A slice is in staging (as the window's listener)."""
        self._seconds["export"] += receipt.source_s
        self._seconds["stage"] += receipt.stage_s
        self._observer.staged(piece, receipt)

    def upserted(self, piece: IngestionSlice, receipt: UpsertReceipt) -> None:
        """A slice is in the sink (as the window's listener). Keyed, so that nothing is counted twice."""
        self._seconds["upsert"] += receipt.seconds
        self._receipts[receipt.slice_key] = receipt
        self._observer.upserted(piece, receipt)

    def retried(self, piece: IngestionSlice, error: Exception, delay_s: float) -> None:
        """A step of a slice is tried again (as the window's listener)."""
        self._count_retry(error)
        self._observer.retried(piece, error, delay_s)

    def _count_retry(self, error: Exception) -> None:
        self._retries[error.code if isinstance(error, IngestionError) else type(error).__name__] += 1

    def _context(self, opened: OpenRun, view: str | None) -> SliceContext:
        return SliceContext(
            source=self._source,
            sink=self._sink,
            staging=self._staging,
            run=opened.run,
            plan=opened.plan,
            started_at=opened.started_at,
            view=view,
            mapper=self._mapper,
            workspace_id=self._request.workspace_id,
            keep_staged=self._keep_staged,
            stop=self._control.stop_event,
        )

    def _drive(self, pieces: Iterable[IngestionSlice], opened: OpenRun) -> None:
        SliceWindow(self._executor, self, self._control, opened.plan.policy.parallel_slices).drive(pieces)

    def _census(self, context: SliceContext) -> tuple[Json, ...]:
        """Remove what is gone, and give the keys that the sink lacks; its receipt says what was removed."""
        _, missing = take_census(context, [*self._receipts.values()])
        return missing

    def _repairs(self, opened: OpenRun, missing: tuple[Json, ...]) -> tuple[IngestionSlice, ...]:
        if not missing or not isinstance(self._source, SupportsDeleteDetection):
            return ()
        return self._source.repair_slices(opened.plan, missing, opened.run.epoch)

    def _finish(self, opened: OpenRun, started: float) -> RunSummary:
        """Refuse what is not complete; note the end in the sink; count what the sink holds, and nothing else."""
        receipts = self._sink.receipts(opened.run)
        gap_lines = refuse_gaps(opened.plan, receipts.values(), written=self._receipts)
        slices = [receipt for receipt in receipts.values() if not receipt.is_census]
        checkpoint = self._source.checkpoint(opened.plan, slices)
        self._sink.finish_run(opened.run, checkpoint)
        return summarise(opened, receipts, checkpoint, self._seconds, time.monotonic() - started, gap_lines)

    def _phase(self, name: str, work: Callable[[], ResultT]) -> ResultT:
        started = time.monotonic()
        try:
            step = partial(self._executor.run_phase, name, work)
            return with_retries(step, self._control.stop_event, self._count_retry)
        finally:
            self._seconds[name] += time.monotonic() - started


@contextmanager
def reading_view(source: SourceEndpoint) -> Iterator[str | None]:
    """The source's consistent view, or None for a source that has none."""
    if isinstance(source, SupportsConsistentView):
        with source.open_view() as view:
            yield view
    else:
        yield None


def late_slices(source: SourceEndpoint, opened: OpenRun) -> tuple[IngestionSlice, ...]:
    """Slices that a source without a view wants read when all others are in the sink."""
    if not isinstance(source, SupportsLateSlices):
        return ()
    return source.late_slices(opened.plan, opened.run.epoch)


def summarise(
    opened: OpenRun,
    receipts: Mapping[str, UpsertReceipt],
    checkpoint: Json | None,
    seconds_by_stage: Mapping[str, float],
    seconds: float,
    gap_lines: tuple[str, ...],
) -> RunSummary:
    """The run in counters: sums over the receipts that the sink holds."""
    slices = [receipt for receipt in receipts.values() if not receipt.is_census]
    done_now = [receipt for receipt in slices if receipt.slice_key not in opened.done]
    expected = [receipt.expected_rows for receipt in slices if receipt.expected_rows is not None]
    return RunSummary(
        ref=opened.run.ref,
        run_id=opened.run.run_id,
        epoch=opened.run.epoch,
        mode=opened.plan.mode,
        strategy=opened.plan.strategy,
        resumed=opened.run.resumed,
        slices_planned=len(opened.plan.slices),
        slices_done_before=len(slices) - len(done_now),
        slices_done=len(done_now),
        rows_read=sum(receipt.rows_staged for receipt in done_now),
        rows_staged=sum(receipt.rows_staged for receipt in slices),
        rows_inserted=sum(receipt.rows_inserted for receipt in slices),
        rows_updated=sum(receipt.rows_updated for receipt in slices),
        rows_unchanged=sum(receipt.rows_unchanged for receipt in slices),
        rows_deleted=sum(receipt.rows_deleted for receipt in receipts.values()),
        rows_tombstoned=sum(receipt.rows_tombstoned for receipt in receipts.values()),
        rows_expected=sum(expected) if expected else None,
        bytes_staged=sum(receipt.bytes_staged for receipt in slices),
        seconds=seconds,
        seconds_by_stage={stage: round(value, 3) for stage, value in seconds_by_stage.items()},
        checkpoint_before=opened.plan.checkpoint_before,
        checkpoint_after=checkpoint,
        started_at=opened.started_at,
        finished_at=datetime.now(UTC),
        gaps=gap_lines,
        notes=opened.plan.notes,
    )
