"""All slices of a run through their two tasks, a bounded number at a time.

A window instead of a list of futures: five thousand slices cost no more memory than two, and the sink of one slice
overlaps the source of the next.
"""

from __future__ import annotations

from collections import Counter, deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from contracts.errors import IngestionError
from contracts.receipts import StageReceipt, UpsertReceipt
from flows.execution.policies import should_restage
from flows.execution.tasks import export_and_stage, map_and_upsert
from flows.stages.export import RunStopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prefect.futures import PrefectFuture

    from contracts.plan import IngestionSlice
    from contracts.receipts import RunHandle
    from flows.execution.live import LiveRun

DRAIN_S = 60.0
"""How long an interrupted run waits for the slices that are being written."""
_TICK_S = 1.0


class _Done(NamedTuple):
    piece: IngestionSlice
    phase: Literal["stage", "upsert"]
    future: PrefectFuture[Any]


class SliceWindow:
    """At most ``parallel`` slices in flight.

    Args:
        live: Takes the receipts and the seconds; its stop signal ends what has not begun.
        run: Shown by every writer.
        parallel: Slices in flight.
        tick: Called from the flow's thread when a slice is in, and about once a second.
    """

    def __init__(self, live: LiveRun, run: RunHandle, parallel: int, tick: Callable[[], None]) -> None:
        self._live, self._run, self._parallel, self._tick = live, run, parallel, tick
        self._events: SimpleQueue[_Done] = SimpleQueue()
        self._in_flight = 0
        self._restaged: Counter[str] = Counter()
        self._failures: list[BaseException] = []

    def drive(self, pieces: Iterable[IngestionSlice]) -> None:
        """Until every piece has its receipt in ``live.receipts``.

        Raises:
            IngestionError: The first typed failure; slices that were being written then are finished first.
            RunStopped: A pause was asked for; slices in hand were finished, and others are left.
        """
        waiting = deque(pieces)
        self._live.driving = True
        try:
            self._fill(waiting)
            while self._in_flight:
                self._next(_TICK_S)
                self._tick()
                self._fill(waiting)
        except BaseException:
            self._live.stop.set()
            self._drain()
            raise
        finally:
            self._live.driving = False
        if self._failures:
            raise _first(self._failures)
        if waiting:
            raise RunStopped

    def _fill(self, waiting: deque[IngestionSlice]) -> None:
        while waiting and not self._failures and not self._live.pause.is_set() and self._in_flight < self._parallel:
            self._stage(waiting.popleft())

    def _next(self, timeout_s: float) -> bool:
        """Take one event; False when none came."""
        try:
            done = self._events.get(timeout=timeout_s)
        except Empty:
            return False
        self._in_flight -= 1
        try:
            self._go_on(done)
        except Exception as error:  # noqa: BLE001 - kept, and raised when the others have ended
            self._fail(done, error)
        return True

    def _go_on(self, done: _Done) -> None:
        result = done.future.result()
        if isinstance(result, StageReceipt):
            self._live.staged = self._live.staged or result.handle
            self._live.seconds["export"] += result.source_s
            self._live.seconds["stage"] += result.stage_s
            if not self._live.stop.is_set():
                self._upsert(done.piece, result)
        elif isinstance(result, UpsertReceipt):
            self._live.seconds["upsert"] += result.seconds
            self._live.receipts.append(result)

    def _fail(self, done: _Done, error: Exception) -> None:
        again = done.phase == "upsert" and should_restage(error, self._restaged[done.piece.key])
        if again and not self._failures:
            self._restaged[done.piece.key] += 1
            self._stage(done.piece)
            return
        self._failures.append(error)
        self._live.stop.set()

    def _stage(self, piece: IngestionSlice) -> None:
        self._watch(piece, "stage", export_and_stage.submit(self._run, piece, self._live.place))

    def _upsert(self, piece: IngestionSlice, staged: StageReceipt) -> None:
        self._watch(piece, "upsert", map_and_upsert.submit(self._run, piece, staged, self._live.place))

    def _watch(self, piece: IngestionSlice, phase: Literal["stage", "upsert"], future: PrefectFuture[Any]) -> None:
        self._in_flight += 1
        future.add_done_callback(lambda ended: self._events.put(_Done(piece, phase, ended)))

    def _drain(self) -> None:
        """Let what is being written end: nothing is half committed, and nothing outlives the run's lock."""
        while self._in_flight and self._next(DRAIN_S):
            pass


def _first(failures: list[BaseException]) -> BaseException:
    return next((each for each in failures if isinstance(each, IngestionError)), failures[0])
