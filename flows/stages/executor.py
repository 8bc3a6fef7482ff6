"""Where the two steps of a slice are carried out: what an executor is given and must offer, and the one for threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from flows.stages.stage import stage_slice
from flows.stages.upsert import upsert_slice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from contextlib import AbstractContextManager
    from datetime import datetime

    from contracts.endpoint import SinkEndpoint, SourceEndpoint
    from contracts.mapping import CdmMapper
    from contracts.plan import IngestionPlan, IngestionSlice
    from contracts.receipts import RunHandle, StageReceipt, UpsertReceipt
    from contracts.staging import StagingProvider

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class SliceContext:
    """Everything the two steps of a slice need besides the slice: the same for all slices of a run.

    Attributes:
        source: Where rows are exported from.
        sink: Where they are written.
        staging: Where they lie between the two steps.
        run: What a writer shows to the sink.
        plan: The frozen plan.
        started_at: When the run first began; rows of the common data model carry it.
        view: The source's consistent view, where it has one.
        mapper: Makes common-model rows; None for raw rows.
        workspace_id: First part of staging keys.
        keep_staged: Keep sessions that were written, for remapping; else remove them.
        stop: Ends an export between two batches.
    """

    source: SourceEndpoint
    sink: SinkEndpoint
    staging: StagingProvider
    run: RunHandle
    plan: IngestionPlan
    started_at: datetime
    view: str | None = None
    mapper: CdmMapper | None = None
    workspace_id: str = "default"
    keep_staged: bool = True
    stop: Event = field(default_factory=Event)

    def stage(self, piece: IngestionSlice) -> StageReceipt:
        """Stages 2 and 3: export the slice to a sealed session; every try has a session of its own."""
        return stage_slice(
            self.source,
            self.staging,
            self.run,
            self.plan,
            piece,
            self.view,
            workspace_id=self.workspace_id,
            stop=self.stop,
        )

    def upsert(self, piece: IngestionSlice, staged: StageReceipt) -> UpsertReceipt:
        """Stages 4 and 5: map and write the session; a slice that has its receipt is not written again."""
        return upsert_slice(
            self.sink,
            self.staging,
            self.run,
            self.plan,
            piece,
            staged,
            self.mapper,
            began_at=self.started_at,
            keep_staged=self.keep_staged,
        )


class SliceStep(NamedTuple):
    """What an executor is asked to do: stage a slice, or upsert what was staged of it."""

    piece: IngestionSlice
    staged: StageReceipt | None = None
    """None: export and stage. Else: map and upsert this."""

    def carried_out(self, context: SliceContext) -> StageReceipt | UpsertReceipt:
        """The step, done in this thread."""
        return context.stage(self.piece) if self.staged is None else context.upsert(self.piece, self.staged)


class MovedSlice(NamedTuple):
    """What an executor that carries out both steps at once gives back."""

    staged: StageReceipt
    upserted: UpsertReceipt


class SliceFuture(Protocol):
    """A step on its way. ``concurrent.futures`` and Prefect's futures are such."""

    def add_done_callback(self, fn: Callable[[Any], None], /) -> Any:
        """Call ``fn`` from any thread when the step has ended; at once if it has."""
        ...

    def result(self) -> Any:
        """A ``StageReceipt`` or an ``UpsertReceipt``, or a ``MovedSlice``; raises what the step raised."""
        ...


class SliceExecutor(Protocol):
    """Where the steps of a run are carried out. It tries nothing again: the window does."""

    def running(self, context: SliceContext) -> AbstractContextManager[None]:
        """Accept steps of this run while the context is open; when it closes, none of them is still running."""
        ...

    def submit(self, step: SliceStep) -> SliceFuture:
        """Start a step. An executor may fuse both: stage, then upsert, and return a ``MovedSlice``."""
        ...

    def run_phase(self, name: str, work: Callable[[], ResultT]) -> ResultT:
        """Carry out ``plan``, ``census`` or ``finish`` in this thread, in a way that people can watch."""
        ...


class ThreadExecutor:
    """Slices in threads of this process, as many as the plan's policy has in parallel."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._context: SliceContext | None = None

    @contextmanager
    def running(self, context: SliceContext) -> Iterator[None]:
        """Threads for the run; at the end the steps under way have ended."""
        self._context = context
        with ThreadPoolExecutor(context.plan.policy.parallel_slices, thread_name_prefix="slice") as self._pool:
            yield

    def submit(self, step: SliceStep) -> Future[StageReceipt | UpsertReceipt]:
        """Begin a step in a thread."""
        if self._pool is None or self._context is None:
            raise RuntimeError("submit() outside of running()")
        return self._pool.submit(step.carried_out, self._context)

    def run_phase(self, name: str, work: Callable[[], ResultT]) -> ResultT:  # noqa: ARG002 - nobody watches
        """The result of ``work``."""
        return work()
