"""The two steps of a slice as Prefect tasks, and the executor that submits them.

Only handles, slices, small strings and counters go in and out of a task (I5). Nothing is cached, persisted or retried
by Prefect: the run's window tries a step again as a task run of its own, and the sink's receipts decide what is done.

A task in a thread of the flow's process has the run's context at hand. A task in any other process (Dask) rebuilds it
from the sink, which froze the plan.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE

from cdm_mappers.registry import mapper_for
from contracts.errors import RunSupersededError
from contracts.model import Contract
from contracts.plan import IngestionSlice
from contracts.receipts import RunHandle, StageReceipt, UpsertReceipt
from flows.stages.executor import MovedSlice, SliceContext
from flows.wiring import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prefect.futures import PrefectFuture
    from prefect.tasks import Task

    from flows.stages.executor import SliceStep

ResultT = TypeVar("ResultT")

WORKSPACE_ID = "default"

_OPTIONS: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False, "retries": 0}
_context: ContextVar[SliceContext | None] = ContextVar("slice_context", default=None)
_phase_work: ContextVar[Callable[[], None]] = ContextVar("phase_work")


class SliceRoute(Contract):
    """Which staging area and which view of the source a run's slices use: names that any process understands."""

    staging_id: str | None = None
    view: str | None = None


@task(name="export-and-stage", task_run_name="stage {piece.sequence}", **_OPTIONS)
def export_and_stage(run: RunHandle, piece: IngestionSlice, route: SliceRoute) -> StageReceipt:
    """Stages 2 and 3 of one slice; every try stages under a name of its own."""
    return context_of(run, route).stage(piece)


@task(name="map-and-upsert", task_run_name="upsert {piece.sequence}", **_OPTIONS)
def map_and_upsert(run: RunHandle, piece: IngestionSlice, staged: StageReceipt, route: SliceRoute) -> UpsertReceipt:
    """Stages 4 and 5 of one slice; a slice that has its receipt is not written again."""
    return context_of(run, route).upsert(piece, staged)


@task(name="move-slice", task_run_name="slice {piece.sequence}", **_OPTIONS)
def move_slice(run: RunHandle, piece: IngestionSlice, route: SliceRoute) -> MovedSlice:
    """Stages 2 to 5 of one slice in one task, for executors whose tasks are dear."""
    context = context_of(run, route)
    staged = context.stage(piece)
    return MovedSlice(staged, context.upsert(piece, staged))


class PrefectExecutor:
    """A ``SliceExecutor`` inside a flow run: a task run for each step, wherever the flow's task runner puts it.

    Args:
        staging_id: The staging block that the run uses; the default area when None.
        shows_phases: Make a task run of plan, census and finish too. Each is three events for the server to save,
            which the many small units of an endpoint do without: they show their slices, and a unit of one slice does
            both steps of it in one task run.
    """

    def __init__(self, staging_id: str | None = None, *, shows_phases: bool = True) -> None:
        self._staging_id, self._shows_phases = staging_id, shows_phases
        self._running: tuple[RunHandle, SliceRoute] | None = None
        self._in_one_task = False

    @contextmanager
    def running(self, context: SliceContext) -> Iterator[None]:
        """Make the run's context known to tasks in threads of this process."""
        self._running = context.run, SliceRoute(staging_id=self._staging_id, view=context.view)
        self._in_one_task = not self._shows_phases and len(context.plan.slices) == 1
        token = _context.set(context)
        try:
            yield
        finally:
            _context.reset(token)

    def submit(self, step: SliceStep) -> PrefectFuture[Any]:
        """A task run of the step."""
        if self._running is None:
            raise RuntimeError("submit() outside of running()")
        run, route = self._running
        if self._in_one_task:
            return move_slice.submit(run, step.piece, route)
        if step.staged is None:
            return export_and_stage.submit(run, step.piece, route)
        return map_and_upsert.submit(run, step.piece, step.staged, route)

    def run_phase(self, name: str, work: Callable[[], ResultT]) -> ResultT:
        """The result of ``work``, which shows as a task run of that name; the result itself stays in this process."""
        if not self._shows_phases:
            return work()
        results: list[ResultT] = []
        token = _phase_work.set(lambda: results.append(work()))
        try:
            _phase_task(name)()
        finally:
            _phase_work.reset(token)
        return results[0]


@lru_cache
def _phase_task(name: str) -> Task[[], None]:
    """Made once: Prefect reads the source of a task that it makes."""

    @task(name=name, task_run_name=name, **_OPTIONS)
    def phase() -> None:
        _phase_work.get()()

    return phase


def context_of(run: RunHandle, route: SliceRoute) -> SliceContext:
    """What the steps of the run's slices need, from this process or from the sink.

    Raises:
        RunSupersededError: The sink knows a later epoch.
    """
    context = _context.get()
    return context if context is not None and context.run == run else context_from_sink(run, route)


@lru_cache(maxsize=8)
def context_from_sink(run: RunHandle, route: SliceRoute) -> SliceContext:
    """The run's context in a process that did not begin it; read once per process and run.

    Raises:
        RunSupersededError: The sink knows a later epoch.
    """
    with open_workspace() as workspace:
        sink = workspace.sink(run.ref.sink_id)
        source = workspace.source(run.ref.endpoint_id)
        staging = workspace.staging(route.staging_id)
    frozen = sink.last_run(run.ref)
    if frozen is None or (frozen.run_id, frozen.epoch) != (run.run_id, run.epoch):
        raise RunSupersededError(
            f"A later run of {run.ref} took over", "Nothing needs to be done: the later run continues."
        )
    return SliceContext(
        source=source,
        sink=sink,
        staging=staging,
        run=run,
        plan=frozen.plan,
        started_at=frozen.started_at,
        view=route.view,
        mapper=mapper_for(source, frozen.plan.unit, frozen.plan.cdm_model),
        workspace_id=WORKSPACE_ID,
    )
