"""What a run of a unit says of itself as OpenLineage (:mod:`knowledge.lineage_events`), where someone listens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import prefect
from prefect.exceptions import Pause
from prefect.runtime import flow_run

from cdm_mappers.registry import mapper_for
from contracts.errors import IngestionError, RunPausedError, RunStoppedError
from contracts.lineage import DatasetName, SupportsDatasetName, SupportsTargetName
from contracts.plan import IngestionPlan
from flows.lineage_feed import RunEvents, is_configured, job_namespace, process_post
from flows.stages.export import RunStopped, run_stopped_error
from flows.stages.run import SilentObserver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from contracts.endpoint import SinkEndpoint, SourceEndpoint
    from contracts.plan import IngestionSlice
    from contracts.receipts import RunRef, RunSummary, UpsertReceipt
    from flows.execution.artifacts import RunLog
    from flows.prefect_api.client import ControlPlane
    from flows.stages.plan import OpenRun, RunRequest
    from knowledge.lineage_events import NamedDatasets, RowsSoFar, RunIdentity

PROGRESS_EVERY_S = 60.0
_STOPPED = (RunPausedError, RunStoppedError, RunStopped, Pause)


class RunLineage(SilentObserver):
    """The events of one run: begun, under way, and how it ended. No method raises, and without a receiver none acts.

    Args:
        ref: What is run.
        flow_run_id: Of the Prefect flow run.
        plane: Of the server that knows the flow run.
        log: The flow run's.
        is_part: It is one of the units of an endpoint's run, which does not wait for each unit's events.
    """

    def __init__(self, ref: RunRef, flow_run_id: UUID, plane: ControlPlane, log: RunLog, *, is_part: bool) -> None:
        self._ref, self._flow_run_id, self._plane, self._log, self._is_part = ref, flow_run_id, plane, log, is_part
        self._events: RunEvents | None = None
        self._story: _Story | None = None
        self._said_at = 0.0

    def began(self, source: SourceEndpoint, sink: SinkEndpoint, request: RunRequest) -> None:
        """The run holds the unit's lock."""
        self._events = _events(self._log)
        if self._events is None:
            return

        def start() -> Any:
            self._story = _Story(_identity(self._ref, self._flow_run_id, _root(self._plane)), source, sink)
            self._story.plan(_without_slices(request))
            return self._story.started()

        self._events.emit(start)

    def opened(self, opened: OpenRun) -> None:
        """The plan is frozen."""
        story = self._story
        if self._events is None or story is None:
            return

        def planned() -> Any:
            story.plan(opened.plan)
            story.receipts.update(opened.done)
            return story.running()

        self._say_progress(planned)

    def upserted(self, piece: IngestionSlice, receipt: UpsertReceipt) -> None:
        """A slice is in the sink; told once a minute."""
        if self._story is None:
            return
        self._story.receipts[piece.key] = receipt
        if time.monotonic() - self._said_at >= PROGRESS_EVERY_S:
            self._say_progress(self._story.running)

    def completed(self, summary: RunSummary) -> None:
        """All is in the sink, and whoever has to know of it was told."""
        self._end(lambda story: story.completed(summary))

    def ended_early(self, error: BaseException) -> None:
        """Something ended the run: an error, or a person who paused or cancelled it."""
        if isinstance(error, Exception) and not isinstance(error, _STOPPED):
            self._end(lambda story: story.failed(error))
        else:
            why = str(error if isinstance(error, IngestionError) else run_stopped_error())
            self._end(lambda story: story.aborted(why))

    def _say_progress(self, make: Callable[[], Any]) -> None:
        self._said_at = time.monotonic()
        if self._events is not None:
            self._events.emit(make)

    def _end(self, make: Callable[[_Story], Any]) -> None:
        if self._events is None:
            return
        events, story, self._events = self._events, self._story, None
        if story is not None:
            events.emit(lambda: make(story))
        events.settle(is_patient=not self._is_part)


class _Story:
    """What is known of the run for its events. Its methods may raise."""

    def __init__(self, identity: RunIdentity, source: SourceEndpoint, sink: SinkEndpoint) -> None:
        self._identity, self._source, self._sink = identity, source, sink
        self._datasets: NamedDatasets | None = None
        self.receipts: dict[str, UpsertReceipt] = {}

    def plan(self, plan: IngestionPlan) -> None:
        """Name what the plan reads and writes."""
        known = self._datasets
        if known is not None and known.plan.unit == plan.unit and known.plan.cdm_model == plan.cdm_model:
            made_of = known.column_sources
        else:
            made_of = _column_sources(self._source, plan)
        source, target = _source_name(self._source, plan), _target_name(self._sink, self._identity.ref, plan)
        self._datasets = lineage_events().NamedDatasets(source, target, plan, made_of)

    def started(self) -> Any:
        return lineage_events().started(self._identity, self._datasets)

    def running(self) -> Any:
        return lineage_events().running(self._identity, self._datasets, _counted(self.receipts.values()))

    def completed(self, summary: RunSummary) -> Any:
        return lineage_events().completed(self._identity, self._datasets, summary)

    def failed(self, error: Exception) -> Any:
        return lineage_events().failed(self._identity, self._datasets, error)

    def aborted(self, reason: str) -> Any:
        return lineage_events().aborted(self._identity, self._datasets, reason)


def say_aborted(ref: RunRef, flow_run_id: UUID, log: RunLog, *, is_patient: bool) -> None:
    """For a run whose process is gone: somebody else says that it ended. Never raises.

    Args:
        ref: What was run.
        flow_run_id: Of the Prefect flow run.
        log: Is told when the event did not arrive.
        is_patient: Wait for it, a few seconds at most.
    """
    events = _events(log)
    if events is None:
        return
    reason = str(run_stopped_error())
    events.emit(lambda: lineage_events().aborted(_identity(ref, flow_run_id), None, reason))
    events.settle(is_patient=is_patient)


def lineage_events() -> Any:
    """The module of events, which loads the library."""
    from knowledge import lineage_events as events  # noqa: PLC0415 - only where a receiver is configured

    return events


def _events(log: RunLog) -> RunEvents | None:
    if not is_configured():
        return None
    try:
        return RunEvents(process_post(), log)
    except Exception as error:  # noqa: BLE001 - of a configuration that is wrong, of any class
        why = type(error).__name__  # its text may hold an address with a login
        log.warning("No lineage events: the settings of their receiver cannot be used (%s): see docs/lineage.md", why)
        return None


def _identity(ref: RunRef, flow_run_id: UUID, root: tuple[UUID, str] | None = None) -> RunIdentity:
    identity: RunIdentity = lineage_events().RunIdentity(ref, flow_run_id, job_namespace(), prefect.__version__, root)
    return identity


def _root(plane: ControlPlane) -> tuple[UUID, str] | None:
    """Flow run and flow that began this one, where another did."""
    if flow_run.parent_flow_run_id is None:
        return None
    root_id = flow_run.root_flow_run_id
    flow_id = plane.call("GET", f"/flow_runs/{root_id}")["flow_id"]
    return UUID(str(root_id)), str(plane.call("GET", f"/flows/{flow_id}")["name"])


def _without_slices(request: RunRequest) -> IngestionPlan:
    """What is known before the source was asked how to divide the unit."""
    return IngestionPlan(
        endpoint_id=request.ref.endpoint_id,
        unit=request.unit,
        mode=request.mode,
        strategy="",
        slices=(),
        policy=request.policy,
        cdm_model=request.cdm_model,
    )


def _source_name(source: SourceEndpoint, plan: IngestionPlan) -> DatasetName:
    if isinstance(source, SupportsDatasetName):
        return source.dataset_name(plan.unit.dataset)
    return DatasetName(namespace=f"nucleus://{plan.endpoint_id}", name=plan.unit.dataset_id)


def _target_name(sink: SinkEndpoint, ref: RunRef, plan: IngestionPlan) -> DatasetName:
    if isinstance(sink, SupportsTargetName):
        return sink.target_name(plan)
    what = plan.unit.dataset_id if plan.cdm_model is None else plan.cdm_model.model_id
    return DatasetName(namespace=f"nucleus://{ref.sink_id}", name=what)


def _column_sources(source: SourceEndpoint, plan: IngestionPlan) -> Mapping[str, tuple[str, ...]] | None:
    mapper = mapper_for(source, plan.unit, plan.cdm_model)
    if mapper is None or plan.cdm_model is None:
        return None
    from cdm_mappers.lineage import column_sources  # noqa: PLC0415 - loads polars

    return column_sources(mapper, plan.cdm_model, plan.unit.dataset)


def _counted(receipts: Iterable[UpsertReceipt]) -> RowsSoFar:
    slices = [receipt for receipt in receipts if not receipt.is_census]
    progress: RowsSoFar = lineage_events().RowsSoFar(
        rows_read=sum(each.rows_staged for each in slices),
        rows_written=sum(each.rows_inserted + each.rows_updated for each in slices),
        bytes_read=sum(each.bytes_staged for each in slices),
    )
    return progress
