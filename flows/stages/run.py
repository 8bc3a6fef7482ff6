"""The five stages in a row: how the command line, notebooks and tests run a unit, without a server."""

from __future__ import annotations

import time
from collections import defaultdict
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Protocol

from contracts.endpoint import (
    SinkEndpoint,
    SourceEndpoint,
    SupportsConsistentView,
    SupportsDeleteDetection,
    SupportsLateSlices,
)
from contracts.errors import IngestionError, Retriable, SourceViewLostError
from contracts.receipts import CensusReceipt, RunSummary, StageReceipt, UpsertReceipt
from flows.stages.plan import OpenRun, RunRequest, open_run
from flows.stages.stage import stage_slice
from flows.stages.upsert import refuse_gaps, take_census, upsert_slice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from contracts.mapping import CdmMapper
    from contracts.plan import IngestionSlice
    from contracts.staging import StagingProvider

SLICE_TRIES = 3
RETRY_PAUSE_S = 0.5


class RunObserver(Protocol):
    """Is told what happens, from any thread. Must not raise."""

    def opened(self, opened: OpenRun) -> None:
        """The plan is frozen and the epoch taken."""
        ...

    def staged(self, piece: IngestionSlice, receipt: StageReceipt) -> None:
        """A slice is in staging."""
        ...

    def upserted(self, piece: IngestionSlice, receipt: UpsertReceipt) -> None:
        """A slice is in the sink."""
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

    def finished(self, summary: RunSummary) -> None:
        """Ignore."""


class UnitRun:
    """One run of one unit in this process, slices in threads."""

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
    ) -> None:
        self._source, self._sink, self._staging = source, sink, staging
        self._request, self._mapper = request, mapper
        self._observer = observer or SilentObserver()
        self._keep_staged = keep_staged
        self._stop = Event()
        self._seconds: dict[str, float] = defaultdict(float)

    def stop(self) -> None:
        """Ask the run to end between two batches; it raises ``RunStopped`` and can be continued later."""
        self._stop.set()

    def execute(self) -> RunSummary:
        """Run to the end.

        Raises:
            IngestionError: The run did not succeed; run again to continue it.
            RunStopped: Somebody called :meth:`stop`.
        """
        started = time.monotonic()
        with self._sink.exclusive(self._request.ref), reading_view(self._source) as view:
            opened = open_run(self._source, self._sink, self._request, view)
            self._seconds["plan"] = time.monotonic() - started
            self._observer.opened(opened)
            receipts = [*opened.done.values(), *self._slices(opened, opened.todo, view)]
            census = self._census(opened, receipts, view)
            lines = refuse_gaps(opened.plan, receipts)
            checkpoint = self._source.checkpoint(opened.plan, receipts)
            self._sink.finish_run(opened.run, checkpoint)
        summary = summarise(opened, receipts, census, checkpoint, self._seconds, time.monotonic() - started, lines)
        self._observer.finished(summary)
        return summary

    def _slices(self, opened: OpenRun, pieces: Sequence[IngestionSlice], view: str | None) -> list[UpsertReceipt]:
        """All pieces, a bounded number at a time; the first failure stops what has not begun."""
        with ThreadPoolExecutor(opened.plan.policy.parallel_slices, thread_name_prefix="slice") as pool:
            futures = [pool.submit(self._slice, opened, piece, view) for piece in pieces]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            except BaseException:
                self._stop.set()
                raise
            finally:
                for future in futures:
                    future.cancel()
            if failed := _first_failure(futures):
                self._stop.set()
                raise failed
            return [future.result() for future in futures]

    def _slice(self, opened: OpenRun, piece: IngestionSlice, view: str | None) -> UpsertReceipt:
        for left in reversed(range(SLICE_TRIES)):
            try:
                return self._slice_once(opened, piece, view)
            except IngestionError as error:
                if left == 0 or not can_retry_slice(error) or self._stop.wait(RETRY_PAUSE_S):
                    raise
        raise AssertionError("unreachable")

    def _slice_once(self, opened: OpenRun, piece: IngestionSlice, view: str | None) -> UpsertReceipt:
        staged = stage_slice(
            self._source,
            self._staging,
            opened.run,
            opened.plan,
            piece,
            view,
            workspace_id=self._request.workspace_id,
            stop=self._stop,
        )
        self._observer.staged(piece, staged)
        started = time.monotonic()
        receipt = upsert_slice(
            self._sink,
            self._staging,
            opened.run,
            opened.plan,
            piece,
            staged,
            self._mapper,
            began_at=opened.started_at,
            keep_staged=self._keep_staged,
        )
        self._seconds["export"] += staged.source_s
        self._seconds["stage"] += staged.stage_s
        self._seconds["upsert"] += time.monotonic() - started
        self._observer.upserted(piece, receipt)
        return receipt

    def _census(self, opened: OpenRun, receipts: list[UpsertReceipt], view: str | None) -> CensusReceipt | None:
        started = time.monotonic()
        receipts += self._slices(opened, late_slices(self._source, opened), view)
        found, missing = take_census(
            self._source,
            self._sink,
            self._staging,
            opened.run,
            opened.plan,
            receipts,
            view,
            workspace_id=self._request.workspace_id,
            stop=self._stop,
        )
        if missing and isinstance(self._source, SupportsDeleteDetection):
            repairs = self._source.repair_slices(opened.plan, missing, opened.run.epoch)
            receipts += self._slices(opened, repairs, view)
        self._seconds["census"] += time.monotonic() - started
        return found


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


def can_retry_slice(error: BaseException) -> bool:
    """True when the slice may succeed in this very run; a lost view needs a new run."""
    return isinstance(error, Retriable) and not isinstance(error, SourceViewLostError)


def _first_failure(futures: Sequence[Future[UpsertReceipt]]) -> BaseException | None:
    failures = [f.exception() for f in futures if f.done() and not f.cancelled() and f.exception() is not None]
    return next(
        (failure for failure in failures if isinstance(failure, IngestionError)), failures[0] if failures else None
    )


def summarise(
    opened: OpenRun,
    receipts: Sequence[UpsertReceipt],
    census: CensusReceipt | None,
    checkpoint: object,
    seconds_by_stage: dict[str, float],
    seconds: float,
    gap_lines: tuple[str, ...],
) -> RunSummary:
    """The run in counters."""
    slices = [receipt for receipt in receipts if not receipt.is_census]
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
        slices_done_before=opened.slices_done,
        slices_done=len(done_now),
        rows_read=sum(receipt.rows_staged for receipt in done_now),
        rows_staged=sum(receipt.rows_staged for receipt in slices),
        rows_inserted=sum(receipt.rows_inserted for receipt in slices),
        rows_updated=sum(receipt.rows_updated for receipt in slices),
        rows_unchanged=sum(receipt.rows_unchanged for receipt in slices),
        rows_deleted=sum(receipt.rows_deleted for receipt in receipts) + (census.rows_deleted if census else 0),
        rows_tombstoned=census.rows_tombstoned if census else 0,
        rows_expected=sum(expected) if expected else None,
        bytes_staged=sum(receipt.bytes_staged for receipt in slices),
        seconds=seconds,
        seconds_by_stage={stage: round(value, 3) for stage, value in seconds_by_stage.items()},
        checkpoint_before=opened.plan.checkpoint_before,
        checkpoint_after=checkpoint if isinstance(checkpoint, dict) else None,
        started_at=opened.started_at,
        finished_at=datetime.now(UTC),
        gaps=gap_lines,
    )
