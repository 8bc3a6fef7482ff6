"""Runs of one unit take turns: what a worker was given runs after the run before it, or was served by it (I14).

A run that a worker started and that meets another run of its unit is put back as scheduled and its process ends, so
that waiting costs no process. The run that ends settles what waits: runs that were requested before it began, with
the same parameters, are folded into it; the oldest of the others is woken. A run that was killed settles nothing;
those that wait look again by themselves.

A unit of ``ingest_endpoint`` waits inside its parent. Whoever called the flow in their own process is refused at once:
they are there to decide.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.states import Scheduled

from contracts.errors import IngestionError, RunInProgressError
from flows.prefect_api.runs import ALIVE, AWAITING_TURN, WAITS, same_parameters
from flows.stages.export import RunStopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts.receipts import RunRef, RunSummary
    from flows.execution.artifacts import RunLog
    from flows.execution.run_workspace import RunWorkspace
    from flows.prefect_api.runs import Run
    from flows.stages.slices import RunControl

FIRST_DELAY_S, LONGEST_DELAY_S = 20.0, 60.0
"""A worker takes runs ten seconds early, and one that is taken can no longer be folded: so the first is longer."""
POLL_EVERY_S = 5.0


class Turns:
    """The turn of the flow run of this thread. Made and used once.

    Args:
        workspace: Of the server in use.
        ref: What is run.
        log: Of this flow run.
        control: By which others end the wait.
    """

    def __init__(self, workspace: RunWorkspace, ref: RunRef, log: RunLog, control: RunControl) -> None:
        context = FlowRunContext.get()
        if context is None or context.flow_run is None:
            raise RuntimeError("Only a flow run has a turn")
        self._workspace, self._runs = workspace, workspace.runs
        self._ref, self._log, self._control = ref, log, control
        self._flow_run, self._parameters = context.flow_run, context.parameters or {}
        state = context.flow_run.state
        self._began_at = state.timestamp if state is not None else datetime.now(UTC)
        """By the server's clock, and before anything of the unit was read: its settings, its source."""

    def run(self, execute: Callable[[], RunSummary]) -> RunSummary:
        """Execute under the unit's lock, or wait as the module says; afterwards settle what waits.

        Args:
            execute: Takes the lock; raises RunInProgressError without having begun.

        Raises:
            RunInProgressError: Another run holds the unit, and nobody would start this one again.
            RunStopped: The control ended the wait.
            Pause: Prefect's signal to end the process; the run was put back as scheduled.
        """
        try:
            summary = self._wait_and_execute(execute)
        except RunInProgressError as error:
            if self._flow_run.deployment_id is not None:
                self._put_back(error)
            raise
        except Exception:
            self._settle(serves=False)
            raise
        # One that resumed has read a part of the rows before it began; a part of an endpoint's run knows its catalog.
        self._settle(serves=not summary.resumed and self._flow_run.parent_task_run_id is None)
        return summary

    def _wait_and_execute(self, execute: Callable[[], RunSummary]) -> RunSummary:
        waits_inside = self._flow_run.deployment_id is None and self._flow_run.parent_task_run_id is not None
        while True:
            try:
                return execute()
            except RunInProgressError as error:
                if not waits_inside:
                    raise
                self._log.warning("Waiting: %s", error.what)
            if self._control.stop_event.wait(POLL_EVERY_S) or self._control.is_ending:
                raise RunStopped

    def _put_back(self, error: RunInProgressError) -> None:
        run = self._runs.get(str(self._flow_run.id))
        if run is None:
            return
        waits = run.waits + 1
        at = datetime.now(UTC) + timedelta(seconds=delay_s(waits))
        holder = self._holder()
        whom = f"run {holder.run_id} of the same unit and sink" if holder else f"another run ({error.what})"
        message = f"Waiting for {whom} to end; looks again by itself at {at:%T} UTC."
        self._log.info(message)
        self._runs.label(run, {WAITS: waits})
        self._runs.forget_process(run)
        if self._runs.put_back(run, message, at):
            raise Pause(state=Scheduled(name=AWAITING_TURN, message=message, scheduled_time=at))

    def _holder(self) -> Run | None:
        at_work = self._workspace.states.state(self._ref).flow_run_id
        return next((run for run in self._runs.find(ALIVE) if run.run_id == at_work), None)

    def _settle(self, *, serves: bool) -> None:
        """Fold what this run has served, and wake the oldest of the others."""
        try:
            waiting = [run for run in self._workspace.waiting_runs() if run.ref == self._ref]
            left = [run for run in waiting if not (serves and self._has_served(run) and self._fold(run))]
            if left:
                self._runs.put_back(left[-1], "Its turn has come.", datetime.now(UTC))
        except IngestionError as error:  # they look again by themselves
            self._log.warning("What waits for this run could not be told of its end: %s", error)

    def _has_served(self, run: Run) -> bool:
        if not same_parameters(run.parameters, self._parameters):
            return False
        requested_at = self._runs.requested_at(run)
        return requested_at is not None and requested_at <= self._began_at

    def _fold(self, run: Run) -> bool:
        return self._runs.fold(run, str(self._flow_run.id))


def delay_s(waits: int) -> float:
    """Seconds until a run that was put back so often looks again: doubles up to a minute."""
    return float(min(FIRST_DELAY_S * 2.0 ** (waits - 1), LONGEST_DELAY_S))
