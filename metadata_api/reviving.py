"""Starting again what dead workers left behind.

A run that was taken and never begun waits for nobody; one that crashed goes on with its unfinished slices, three
starts at most. Were the first one alive after all, the unit's lock and the sink's epoch keep it from harm.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from flows.prefect_api.runs import ACCEPTED

if TYPE_CHECKING:
    from flows.prefect_api.runs import Run, Runs

CLAIMED_FOR_S = 120.0
"""A worker that took a run and did not begin it for so long is gone."""
QUIET_S = 15.0
"""Prefect's worker reports a crash twice, two seconds apart, and the second report overwrites a retry."""
MOST_STARTS = 3
REVIVED_WITHIN_S = 3_600.0


def revive(runs: Runs, now: datetime | None = None) -> list[str]:
    """Start again accepted runs whose worker died; the ids of those."""
    now = now or datetime.now(UTC)
    claimed = [
        run for run in runs.find(("PENDING",), tag=ACCEPTED) if (now - run.state_at).total_seconds() > CLAIMED_FOR_S
    ]
    crashed = [
        run
        for run in runs.find(("CRASHED",), tag=ACCEPTED, ended_after=now - timedelta(seconds=REVIVED_WITHIN_S))
        if is_to_be_revived(run, now) and (now - run.state_at).total_seconds() > QUIET_S
    ]
    return [run.run_id for run in (*claimed, *crashed) if runs.schedule_again(run)]


def is_to_be_revived(run: Run, now: datetime | None = None) -> bool:
    """True while a crash is not the end of the run."""
    age_s = ((now or datetime.now(UTC)) - run.state_at).total_seconds()
    return run.state == "CRASHED" and run.starts < MOST_STARTS and age_s < REVIVED_WITHIN_S
