"""One run of a unit on Prefect, from the request to the saved checkpoint: what the flow ``ingest_unit`` does."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cdm_mappers.registry import mapper_for, model_for
from contracts.errors import CheckpointConflictError
from contracts.state import Checkpoint
from flows.execution.artifacts import Story
from flows.execution.exclusive import one_at_a_time
from flows.execution.live import WORKSPACE_ID, LiveRun, SlicePlace, filed
from flows.execution.outcome import note_failure, note_success, stats_of
from flows.execution.slices import SliceWindow
from flows.execution.tasks import PlanFacts, census, finish, plan_run
from flows.stages.plan import RunRequest, require_sink
from flows.stages.run import reading_view
from state.units import effective_policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from contracts.model import Json
    from contracts.receipts import RunRef, RunSummary
    from contracts.unit import DataMode, IngestionMode
    from flows.execution.artifacts import RunLog
    from flows.wiring import Workspace


class FlowUnitRun:
    """Walks one unit through the tasks; made and used once, in the thread of the flow.

    Args:
        workspace: Endpoints, staging and state.
        ref: What is run.
        flow_run_id: Of the Prefect flow run.
        log: The flow run's logger.
    """

    def __init__(self, workspace: Workspace, ref: RunRef, flow_run_id: UUID, log: RunLog) -> None:
        self._workspace, self._ref, self._log = workspace, ref, log
        self._flow_run_id, self._token = flow_run_id, flow_run_id.hex
        self._story = Story(ref, log)
        self._run_id = self._token

    def execute(
        self,
        mode: IngestionMode | None,
        data_mode: DataMode | None,
        policy: Mapping[str, Any] | None,
        staging_id: str | None,
        checkpoint: Json | None = None,
        *,
        fresh: bool,
    ) -> RunSummary:
        """Refuse or run.

        Args:
            mode: full or incremental; the unit's own when None.
            data_mode: raw or cdm; the unit's own when None.
            policy: Fields to override.
            staging_id: A staging block; the default area when None.
            checkpoint: Where to begin in place of the saved checkpoint.
            fresh: Plan anew although an unfinished run could be continued.

        Raises:
            IngestionError: Nothing began, or the run did not succeed and can be run again to go on.
        """
        started = time.monotonic()
        unit, config = self._workspace.runnable(self._ref.endpoint_id, self._ref.unit_id)
        model = model_for(unit, data_mode or config.data_mode)
        request = RunRequest(
            ref=self._ref,
            unit=unit,
            mode=mode or config.mode,
            policy=effective_policy(unit, config, policy),
            workspace_id=WORKSPACE_ID,
            checkpoint=checkpoint,
            cdm_model=model,
            fresh=fresh,
        )
        with self._noted():
            live = self._live(request, staging_id)
            with one_at_a_time(live.sink, self._ref, self._workspace.plane, self._flow_run_id, self._log):
                return self._inside(live, request, started)

    def _live(self, request: RunRequest, staging_id: str | None) -> LiveRun:
        source, sink = self._workspace.source(self._ref.endpoint_id), self._workspace.sink(self._ref.sink_id)
        require_sink(sink, request)
        return LiveRun(
            source=source,
            sink=sink,
            staging=self._workspace.staging(staging_id),
            place=SlicePlace(staging_id=staging_id),
            mapper=mapper_for(source, request.unit, request.cdm_model),
            request=request,
        )

    def _inside(self, live: LiveRun, request: RunRequest, started: float) -> RunSummary:
        """The run itself, while the unit is held."""
        states = self._workspace.states
        states.running(self._ref, self._run_id)
        checkpoints = self._workspace.checkpoints(self._workspace.vendor(self._ref.endpoint_id))
        begin = request.checkpoint or checkpoints.progress(self._ref)
        live.request = request.model_copy(update={"checkpoint": begin})
        with reading_view(live.source) as view:
            live.place = live.place.model_copy(update={"view": view})
            with filed(self._token, live):
                facts = plan_run(self._token)
                self._run_id = facts.run.run_id
                states.running(self._ref, self._run_id)
                self._slices(live, facts)
                gone, repaired = census(self._token)
                self._log.info("Census: %d row(s) gone at the source, %d repaired", gone, repaired)
                summary = finish(self._token, time.monotonic() - started)
        self._save(checkpoints, summary)
        note_success(states, summary)
        self._story.finished(summary)
        self._log.info("Done: %s", in_words(summary))
        return summary

    def _slices(self, live: LiveRun, facts: PlanFacts) -> None:
        opened = live.opened
        if opened is None:
            raise ValueError("the plan task did not open the run")
        self._log.info(
            "%s: %s, %d slice(s), %s; %d done before",
            self._ref,
            facts.mode,
            facts.slices,
            facts.strategy,
            facts.slices_done,
        )
        live.receipts += opened.done.values()
        self._story.planned(opened.plan, facts.slices_done)
        window = SliceWindow(live, facts.run, opened.plan.policy.parallel_slices, lambda: self._tick(live, facts))
        window.drive(opened.todo)
        self._tick(live, facts, now=True)

    def _tick(self, live: LiveRun, facts: PlanFacts, *, now: bool = False) -> None:
        done = [receipt for receipt in live.receipts if not receipt.is_census]
        rows, size = sum(receipt.rows_staged for receipt in done), sum(receipt.bytes_staged for receipt in done)
        if live.staged is not None:
            self._story.staged(live.staged)
        self._story.moved(len(done), facts.slices, rows, size, now=now)

    def _save(self, checkpoints: Any, summary: RunSummary) -> None:
        """The watermark after the run; I4 holds, because the sink has noted the end."""
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
    def _noted(self) -> Iterator[None]:
        """Files whatever ends the run early in the unit state."""
        try:
            yield
        except BaseException as error:
            note_failure(self._workspace.states, self._ref, self._run_id, error)
            raise


def in_words(summary: RunSummary) -> str:
    """The run in one line."""
    counted = ("read", "inserted", "updated", "unchanged", "deleted")
    rows = ", ".join(f"{getattr(summary, f'rows_{name}'):,} {name}" for name in counted)
    return f"{rows}; {summary.seconds:.1f} s"
