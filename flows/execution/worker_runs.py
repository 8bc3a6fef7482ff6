"""Units of an endpoint's run that workers carry out: a run of the deployment for each, followed until it ends.

What is begun is keyed by the endpoint's run, so that a run that is executed again follows what goes on, leaves alone
what succeeded, and begins anew only what failed.
"""

from __future__ import annotations

import time
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from contracts.error_codes import code_and_words
from contracts.errors import ControlPlaneError, RunError
from flows.prefect_api.runs import ACCEPTED, DEPLOYMENT, ENDED, key_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contracts.receipts import RunRef
    from flows.prefect_api.runs import Run, Runs

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 10.0
"""Between two questions whether a run has ended."""
REVIVED_WITHIN_S = 120.0
"""A run whose worker died is started again by the API, if one runs; until then its end is not believed."""


class EndedRun(NamedTuple):
    """How the run of a unit ended.

    Attributes:
        run_id: Of the flow run.
        code: Of the error, as far as the run's message has one; empty after a success.
        message: The error in words, its next step included; empty after a success.
    """

    run_id: str
    code: str
    message: str


class WorkerRuns:
    """Runs of units begun for one run of their endpoint; safe between threads.

    Args:
        runs: Of the server in use.
        parent_id: The endpoint's flow run.
        executions: How often it was executed, this time included.
    """

    def __init__(self, runs: Runs, parent_id: str, executions: int) -> None:
        self._runs, self._parent_id, self._executions = runs, parent_id, max(executions, 1)
        self._followed: dict[str, Run] = {}
        self._lock, self._stopped = Lock(), Event()

    def run(self, ref: RunRef, options: Mapping[str, Any]) -> EndedRun:
        """Begin the unit's run, or find the one that was begun before, and wait until it has ended.

        Args:
            ref: The unit.
            options: Further parameters of the flow; those that are None are left out.

        Raises:
            ControlPlaneError: The server refuses the run, or does not answer.
            RunError: The run was deleted, or the endpoint's run is ended.
        """
        if self._stopped.is_set():
            raise _stopped()
        run = self._begun(ref, {name: value for name, value in options.items() if value is not None})
        with self._lock:
            self._followed[run.run_id] = run
        try:
            if self._stopped.is_set():  # since it was begun, so that nobody else asks it to end
                self._runs.cancel(run)
            return _ended(self._follow(run))
        finally:
            with self._lock:
                del self._followed[run.run_id]

    def cancel(self) -> list[str]:
        """Ask the runs that are followed to end, and follow none any longer; gives those that could not be asked."""
        self._stopped.set()
        with self._lock:
            followed = [*self._followed.values()]
        missed = []
        for run in followed:
            try:
                self._runs.cancel(self._runs.get(run.run_id) or run)
            except ControlPlaneError as error:
                missed.append(f"{run.run_id} ({error.what})")
        return missed

    def _begun(self, ref: RunRef, options: Mapping[str, Any]) -> Run:
        for execution in range(1, self._executions + 1):
            run = self._runs.start(
                DEPLOYMENT,
                {**ref.model_dump(), **options},
                key=key_of("endpoint", self._parent_id, str(execution), ref.unit_id),
                tags=(ACCEPTED,),
                name=str(ref),
                under=self._parent_id,
            )
            if run.state not in ENDED or run.state == "COMPLETED":
                break
        return run

    def _follow(self, run: Run) -> Run:
        pause_s, crashed_at = FIRST_PAUSE_S, None
        while True:
            if run.state != "CRASHED":
                crashed_at = None
                if run.state in ENDED:
                    return run
            elif crashed_at is None:
                crashed_at = time.monotonic()
            elif time.monotonic() - crashed_at > REVIVED_WITHIN_S:
                return run
            if self._stopped.wait(pause_s):
                raise _stopped()
            pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
            found = self._runs.get(run.run_id)
            if found is None:
                raise RunError(f"Flow run {run.run_id} of the unit was deleted", "Run again.", run_id=run.run_id)
            run = found


def _stopped() -> RunError:
    return RunError("The run of the endpoint was ended", "Run it again: what succeeded is not repeated.")


def _ended(run: Run) -> EndedRun:
    if run.state == "COMPLETED":
        return EndedRun(run.run_id, "", "")
    code, words = code_and_words(run.message)
    if code:
        return EndedRun(run.run_id, code, words)
    return EndedRun(run.run_id, "E_RUN_STOPPED", f"Its flow run is {run.name}. {run.message}".strip())
