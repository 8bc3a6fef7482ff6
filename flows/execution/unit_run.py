"""One run of a unit on Prefect, from the request to the saved checkpoint: what the flow ``ingest_unit`` does."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from uuid import UUID

from cdm_mappers.registry import mapper_for, model_for
from contracts.errors import CheckpointConflictError, IngestionError
from contracts.state import Checkpoint
from flows.execution.artifacts import RunArtifacts
from flows.execution.events import emit_started
from flows.execution.exclusive import exclusive_run
from flows.execution.lineage import RunLineage, say_aborted
from flows.execution.outcome import ANOTHER_RUNS, record_failure, record_success, stats_of
from flows.execution.tasks import WORKSPACE_ID, PrefectExecutor
from flows.knowledge_feed import run_finished
from flows.stages.plan import RunRequest, require_sink
from flows.stages.run import SilentObserver, UnitRun
from flows.stages.slices import RunControl
from state.units import effective_policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from contracts.endpoint import SinkEndpoint
    from contracts.model import Json
    from contracts.plan import IngestionSlice
    from contracts.receipts import RunRef, RunSummary, StageReceipt, UpsertReceipt
    from contracts.unit import DataMode, IngestionMode, UnitState
    from flows.execution.artifacts import RunLog
    from flows.execution.run_workspace import RunWorkspace
    from flows.stages.executor import SliceExecutor
    from flows.stages.plan import OpenRun
    from flows.stages.run import RunObserver
    from state.checkpoints import Checkpoints


class _Attachment(NamedTuple):
    observer: RunObserver
    control: RunControl


_attached: ContextVar[_Attachment | None] = ContextVar("attached_run", default=None)


def executor_of(
    task_runner: Literal["threads", "dask"] | None, staging_id: str | None, scheduler: str | None, *, shows_phases: bool
) -> PrefectExecutor:
    """What carries out the slices of a flow run.

    Args:
        task_runner: Threads of this process (when None too), or the workers of a Dask cluster.
        staging_id: The staging block; the default area when None.
        scheduler: Of the cluster; see ``DaskExecutor``.
        shows_phases: As in ``PrefectExecutor``.
    """
    if task_runner != "dask":
        return PrefectExecutor(staging_id, shows_phases=shows_phases)
    from flows.execution.dask import DaskExecutor  # noqa: PLC0415 - an extra

    return DaskExecutor(staging_id, scheduler, shows_phases=shows_phases)


@contextmanager
def attach(observer: RunObserver, control: RunControl) -> Iterator[None]:
    """Watch and steer the run of a flow that is called in this thread while the context is open.

    Args:
        observer: Is told what happens, beside the run's artifacts.
        control: The run obeys it.
    """
    token = _attached.set(_Attachment(observer, control))
    try:
        yield
    finally:
        _attached.reset(token)


def attached_control() -> RunControl:
    """The control that somebody attached, or a new one."""
    attached = _attached.get()
    return attached.control if attached is not None else RunControl()


class FlowUnitRun(SilentObserver):
    """A ``UnitRun`` with what Prefect and the state store add: one at a time, unit state, checkpoint, artifacts.

    Made and used once, in the thread of the flow.

    Args:
        workspace: Endpoints, staging and state.
        ref: What is run.
        flow_run_id: Of the Prefect flow run.
        log: The flow run's logger.
        control: By which others end the run early.
        executor: Carries out the slices.
        is_first_process: No process worked on the flow run before, so that the sink knows no run of its id.
    """

    def __init__(
        self,
        workspace: RunWorkspace,
        ref: RunRef,
        flow_run_id: UUID,
        log: RunLog,
        control: RunControl,
        executor: SliceExecutor,
        *,
        is_first_process: bool,
    ) -> None:
        self._workspace, self._ref, self._log = workspace, ref, log
        self._flow_run_id, self._control, self._executor = flow_run_id, control, executor
        self._is_first_process = is_first_process
        self._artifacts = RunArtifacts(ref, log, is_part=workspace.is_shared)
        self._lineage = RunLineage(ref, flow_run_id, workspace.plane, log, is_part=workspace.is_shared)
        self._run_id = flow_run_id.hex
        self._state: UnitState | None = None

    def execute(
        self,
        mode: IngestionMode | None,
        data_mode: DataMode | None,
        policy: Mapping[str, Any] | None,
        staging_id: str | None,
        checkpoint: Json | None = None,
        *,
        fresh: bool,
        adopt: bool = False,
    ) -> RunSummary:
        """Refuse or run.

        Args:
            mode: full or incremental; the unit's own when None.
            data_mode: raw or cdm; the unit's own when None.
            policy: Fields to override.
            staging_id: A staging block; the default area when None.
            checkpoint: Where to begin in place of the saved checkpoint.
            fresh: Make a new plan even if an unfinished run could be resumed.
            adopt: Take the target over if it belongs to another unit, or holds rows that no run wrote.

        Raises:
            IngestionError: Nothing began, or the run did not succeed; run it again to resume it.
        """
        unit, config = self._workspace.runnable(self._ref.endpoint_id, self._ref.unit_id)
        request = RunRequest(
            ref=self._ref,
            unit=unit,
            mode=mode or config.mode,
            policy=effective_policy(unit, config, policy),
            workspace_id=WORKSPACE_ID,
            checkpoint=checkpoint,
            cdm_model=model_for(unit, data_mode or config.data_mode),
            fresh=fresh,
            adopt=adopt,
            run_id=self._run_id if self._is_first_process else None,
        )
        with self._failures_recorded():
            sink = self._workspace.sink(self._ref.sink_id)
            require_sink(sink, request)
            plane, takes_slot = self._workspace.plane, not self._workspace.is_shared
            with exclusive_run(sink, self._ref, plane, self._flow_run_id, self._log, takes_slot=takes_slot):
                return self._execute_locked(sink, request, staging_id)

    def opened(self, opened: OpenRun) -> None:
        """The plan is frozen: from now on the unit's state names the run that the sink knows.

        A new run has the flow run's id, which the state names since the lock was taken; a resumed one has not.
        """
        if opened.run.run_id != self._run_id:
            self._run_id = opened.run.run_id
            self._state = self._workspace.states.running(self._ref, self._run_id, self._flow_run_id, self._state)
        plan = opened.plan
        self._log.info(
            "%s: %s, %d slice(s), %s; %d done before",
            self._ref,
            plan.mode,
            len(plan.slices),
            plan.strategy,
            opened.slices_done,
        )

    def retried(self, piece: IngestionSlice, error: Exception, delay_s: float) -> None:
        """What went wrong, for the run's log."""
        self._log.warning("Slice %s is tried again in %.1f s: %s", piece.key, delay_s, error)

    def _execute_locked(self, sink: SinkEndpoint, request: RunRequest, staging_id: str | None) -> RunSummary:
        """The run itself, under the unit's lock: only now is the saved checkpoint final."""
        states, source = self._workspace.states, self._workspace.source(self._ref.endpoint_id)
        before = states.state(self._ref)
        if before.state == "RUNNING" and before.flow_run_id not in {None, str(self._flow_run_id)}:
            # The lock is ours, so the process of that run is gone.
            say_aborted(self._ref, UUID(before.flow_run_id), self._log, is_patient=False)
        self._state = states.running(self._ref, self._run_id, self._flow_run_id, before)
        emit_started(self._ref, self._flow_run_id)
        self._lineage.began(source, sink, request)
        checkpoints = self._workspace.checkpoints(self._workspace.vendor(self._ref.endpoint_id))
        begin = request.checkpoint or checkpoints.progress(self._ref)
        self._artifacts.reads_from(source)
        run = UnitRun(
            source,
            sink,
            self._workspace.staging(staging_id),
            request.model_copy(update={"checkpoint": begin}),
            mapper=mapper_for(source, request.unit, request.cdm_model),
            observer=self._observers(),
            executor=self._executor,
            control=self._control,
        )
        try:
            summary = run.execute_locked()
        finally:
            self._artifacts.show_staged()
        self._save(checkpoints, summary)
        record_success(states, summary)
        run_finished(self._workspace, summary)
        self._lineage.completed(summary)
        self._artifacts.show_summary(summary)
        self._log.info("Done: %s", in_words(summary))
        return summary

    def _observers(self) -> ObserverGroup:
        attached = _attached.get()
        return ObserverGroup(self, self._artifacts, self._lineage, *([] if attached is None else [attached.observer]))

    def _save(self, checkpoints: Checkpoints, summary: RunSummary) -> None:
        """Save the watermark after the run; I4 holds, because the sink has recorded the end."""
        if summary.checkpoint_after is None:
            return
        checkpoint = Checkpoint(
            **self._ref.model_dump(),
            cursor=summary.checkpoint_after,
            last_run_id=summary.run_id,
            last_updated_at=datetime.now(UTC),
            stats=stats_of(summary),
        )
        try:
            checkpoints.save_progress(checkpoint)
        except CheckpointConflictError as error:
            self._log.warning("The checkpoint was changed while the run went on and is left as it is: %s", error)

    @contextmanager
    def _failures_recorded(self) -> Iterator[None]:
        """Record whatever ends the run early in the unit state."""
        try:
            yield
        except BaseException as error:
            record_failure(self._workspace.states, self._ref, self._run_id, error)
            self._lineage.ended_early(error)
            if isinstance(error, IngestionError) and not isinstance(error, ANOTHER_RUNS):
                self._artifacts.show_failure(error)
            raise


class ObserverGroup:
    """Several observers as one, told in order."""

    def __init__(self, *observers: RunObserver) -> None:
        self._observers = observers

    def opened(self, opened: OpenRun) -> None:
        """The plan is frozen and the epoch taken."""
        for observer in self._observers:
            observer.opened(opened)

    def staged(self, piece: IngestionSlice, receipt: StageReceipt) -> None:
        """A slice is in staging."""
        for observer in self._observers:
            observer.staged(piece, receipt)

    def upserted(self, piece: IngestionSlice, receipt: UpsertReceipt) -> None:
        """A slice is in the sink."""
        for observer in self._observers:
            observer.upserted(piece, receipt)

    def retried(self, piece: IngestionSlice, error: Exception, delay_s: float) -> None:
        """A step of a slice is tried again."""
        for observer in self._observers:
            observer.retried(piece, error, delay_s)

    def finished(self, summary: RunSummary) -> None:
        """The run is over and complete."""
        for observer in self._observers:
            observer.finished(summary)


def in_words(summary: RunSummary) -> str:
    """The run in one line."""
    counted = ("read", "inserted", "updated", "unchanged", "deleted")
    rows = ", ".join(f"{getattr(summary, f'rows_{name}'):,} {name}" for name in counted)
    return f"{rows}; {summary.seconds:.1f} s"
