"""Restart runs whose worker died.

No worker would ever begin a run whose worker died before its start; a run that crashed resumes its unfinished slices.
A run is started three times at most. One whose process holds the sink's lock is alive after all and left alone; where
the lock does not tell, the sink's epoch prevents harm.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from flows.prefect_api.runs import ACCEPTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts.receipts import RunRef
    from flows.prefect_api.runs import Run, Runs

CLAIMED_FOR_S = 120.0
"""A worker that took a run and did not begin it for so long is gone, even if nobody can say which worker it was."""
QUIET_S = 15.0
"""Prefect's worker reports a crash twice, two seconds apart, and the second report overwrites a retry. A process that a
worker started may outlive it by as much before it begins the run."""
MOST_STARTS = 3
RESTART_WITHIN_S = 3_600.0


def restart_orphaned_runs(
    runs: Runs,
    is_locked: Callable[[RunRef], bool],
    is_worker_silent: Callable[[Run, datetime], bool],
    now: datetime | None = None,
) -> list[str]:
    """Restart accepted runs whose worker died; returns their ids.

    Args:
        runs: Of the server in use.
        is_locked: Whether a process holds the unit. A run whose process works revives itself.
        is_worker_silent: Whether the worker that took the run has missed its heartbeats.
        now: The time.
    """
    now = now or datetime.now(UTC)
    claimed = [
        run
        for run in runs.find(("PENDING",), tag=ACCEPTED)
        if (now - run.state_at).total_seconds() > CLAIMED_FOR_S
        or ((now - run.state_at).total_seconds() > QUIET_S and is_worker_silent(run, now))
    ]
    crashed = [
        run
        for run in runs.find(("CRASHED",), tag=ACCEPTED, ended_after=now - timedelta(seconds=RESTART_WITHIN_S))
        if will_be_restarted(run, now)
        and (now - run.state_at).total_seconds() > QUIET_S
        and not (run.ref and is_locked(run.ref))
    ]
    return [run.run_id for run in (*claimed, *crashed) if runs.schedule_again(run)]


def will_be_restarted(run: Run, now: datetime | None = None) -> bool:
    """True while a crash is not the end of the run."""
    age_s = ((now or datetime.now(UTC)) - run.state_at).total_seconds()
    return run.state == "CRASHED" and run.processes < MOST_STARTS and age_s < RESTART_WITHIN_S
