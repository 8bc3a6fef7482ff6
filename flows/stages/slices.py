"""All slices of a run, a bounded number at a time: planned, late and repair slices alike.

A window instead of a list of futures: five thousand slices cost no more memory than two, and the sink of one slice
overlaps the source of the next. Where the two steps of a slice are carried out is the executor's business: threads of
this process, Prefect tasks, workers of a cluster. What is tried again, and when, is decided here, for all of them.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter, deque
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, NamedTuple, Protocol

from contracts.errors import IngestionError
from contracts.receipts import StageReceipt, UpsertReceipt
from flows.stages.executor import MovedSlice, SliceStep
from flows.stages.export import RunStopped
from flows.stages.retries import retry_delay_s, should_restage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from contracts.plan import IngestionSlice
    from flows.stages.executor import SliceExecutor, SliceFuture

DRAIN_S = 60.0
"""How long an interrupted run waits for the slices that are being written."""
_LOOK_EVERY_S = 0.2


class RunControl:
    """How a run is asked to end early; every method may be called from any thread, more than once."""

    def __init__(self) -> None:
        self.stop_event = Event()
        self._pause = Event()
        self._interruptible = False
        self._driving = False

    def stop(self) -> None:
        """Abandon the slices in progress between two batches; the run raises ``RunStopped`` and can be resumed."""
        self.stop_event.set()

    def pause(self) -> None:
        """Finish the slices in progress and start no other; if none is in progress, stop. Repeat until the run ends."""
        self._pause.set()
        if self._interruptible and not self._driving:
            self.stop()

    @property
    def is_ending(self) -> bool:
        """True when no further slice may begin."""
        return self._pause.is_set() or self.stop_event.is_set()

    def opened(self) -> None:
        """The plan is frozen: from now on a pause between two groups of slices ends the run at once."""
        self._interruptible = True

    @contextmanager
    def driving(self) -> Iterator[None]:
        """Slices are being moved while the context is open, and a pause lets them finish."""
        self._driving = True
        try:
            yield
        finally:
            self._driving = False


class SliceListener(Protocol):
    """Is told what became of slices, in the thread that drives them."""

    def staged(self, piece: IngestionSlice, receipt: StageReceipt) -> None:
        """A slice is in staging."""
        ...

    def upserted(self, piece: IngestionSlice, receipt: UpsertReceipt) -> None:
        """A slice is in the sink."""
        ...

    def retried(self, piece: IngestionSlice, error: Exception, delay_s: float) -> None:
        """A step of the slice failed and is tried again after so many seconds."""
        ...


class _Ended(NamedTuple):
    step: SliceStep
    future: SliceFuture


class _Delayed(NamedTuple):
    due_at: float
    number: int
    step: SliceStep
    error: Exception


class SliceWindow:
    """At most ``parallel`` slices in progress; every decision is made in the thread that calls :meth:`drive`.

    Args:
        executor: Carries out the steps.
        listener: Is told of every result.
        control: Ends the window early.
        parallel: Slices at a time, including those that wait for their next try.
    """

    def __init__(self, executor: SliceExecutor, listener: SliceListener, control: RunControl, parallel: int) -> None:
        self._executor, self._listener, self._control, self._parallel = executor, listener, control, parallel
        self._ended: SimpleQueue[_Ended] = SimpleQueue()
        self._in_flight = 0
        self._delayed: list[_Delayed] = []
        self._failed_tries: Counter[tuple[str, bool]] = Counter()
        self._restages: Counter[str] = Counter()
        self._failures: list[Exception] = []

    def drive(self, pieces: Iterable[IngestionSlice]) -> None:
        """Move every piece into the sink.

        Raises:
            IngestionError: The first typed failure; steps that were under way then have ended.
            RunStopped: A stop or a pause was asked for, and slices are left.
        """
        waiting = deque(pieces)
        with self._control.driving():
            try:
                self._fill(waiting)
                while self._in_flight or self._delayed:
                    self._take_next()
                    self._start_delayed(waiting)
                    self._fill(waiting)
            except BaseException:
                self._control.stop()
                self._drain()
                raise
        if self._failures:
            raise next((each for each in self._failures if isinstance(each, IngestionError)), self._failures[0])
        if waiting:
            raise RunStopped

    def _fill(self, waiting: deque[IngestionSlice]) -> None:
        while waiting and not self._control.is_ending and self._in_flight + len(self._delayed) < self._parallel:
            self._submit(SliceStep(waiting.popleft()))

    def _submit(self, step: SliceStep) -> None:
        future = self._executor.submit(step)
        self._in_flight += 1
        future.add_done_callback(lambda ended: self._ended.put(_Ended(step, ended)))

    def _take_next(self, timeout_s: float | None = None) -> bool:
        """Handle one result; False when none came in time. While a try is delayed, look up often enough to start it."""
        try:
            step, future = self._ended.get(timeout=timeout_s or (_LOOK_EVERY_S if self._delayed else None))
        except Empty:
            return False
        self._in_flight -= 1
        try:
            result = future.result()
        except Exception as error:  # noqa: BLE001 - tried again, or raised when the others have ended
            self._failed(step, error)
        else:
            self._succeeded(step, result)
        return True

    def _succeeded(self, step: SliceStep, result: StageReceipt | UpsertReceipt | MovedSlice) -> None:
        if isinstance(result, MovedSlice):
            self._listener.staged(step.piece, result.staged)
            result = result.upserted
        if isinstance(result, UpsertReceipt):
            self._listener.upserted(step.piece, result)
            return
        self._listener.staged(step.piece, result)
        if self._control.stop_event.is_set():
            self._failures.append(RunStopped())
        else:
            self._submit(SliceStep(step.piece, result))

    def _failed(self, step: SliceStep, error: Exception) -> None:
        tried = (step.piece.key, step.staged is None)
        self._failed_tries[tried] += 1
        delay_s = retry_delay_s(error, self._failed_tries[tried])
        if self._control.stop_event.is_set():
            self._failures.append(error)
        elif delay_s is not None:
            due_at = time.monotonic() + delay_s
            heapq.heappush(self._delayed, _Delayed(due_at, self._failed_tries.total(), step, error))
            self._listener.retried(step.piece, error, delay_s)
        elif should_restage(error, self._restages[step.piece.key]):
            self._restages[step.piece.key] += 1
            self._listener.retried(step.piece, error, 0.0)
            self._submit(SliceStep(step.piece))
        else:
            self._failures.append(error)
            self._control.stop()

    def _start_delayed(self, waiting: deque[IngestionSlice]) -> None:
        """Start the tries that are due; when the run is ending, give up those that are not."""
        while self._delayed and self._control.is_ending:
            given_up = heapq.heappop(self._delayed)
            if self._control.stop_event.is_set():
                self._failures.append(given_up.error)
            else:
                waiting.append(given_up.step.piece)
        while self._delayed and self._delayed[0].due_at <= time.monotonic():
            self._submit(heapq.heappop(self._delayed).step)

    def _drain(self) -> None:
        """Let what is being written end: nothing is half committed, and nothing outlives the run's lock."""
        deadline = time.monotonic() + DRAIN_S
        while self._in_flight and self._take_next(max(deadline - time.monotonic(), 0.001)):
            pass
