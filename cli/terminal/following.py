"""Following a run from outside: what its progress artifact says, until Prefect says that it ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flows.execution.artifacts import progress_of
from flows.operations.run_control import active_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts.receipts import RunRef
    from flows.prefect_api.runs import Run
    from flows.wiring import Workspace


def follow(
    workspace: Workspace, ref: RunRef, tell: Callable[[str], None], *, wait_s: float, look_every_s: float
) -> Run | None:
    """Tell every change until the run has ended; the run, or None when none went on or began in time."""
    run = _first(workspace, ref, wait_s, look_every_s)
    shown = ""
    while run is not None:
        words = _words(workspace, ref, run)
        if words != shown:
            tell(words)
            shown = words
        if not (run.is_alive or run.is_waiting):
            return run
        time.sleep(look_every_s)
        run = workspace.runs.get(run.run_id)
    return None


def _first(workspace: Workspace, ref: RunRef, wait_s: float, look_every_s: float) -> Run | None:
    deadline = time.monotonic() + wait_s
    while (run := active_run(workspace, ref)) is None and time.monotonic() < deadline:
        time.sleep(min(look_every_s, max(0.0, deadline - time.monotonic())))
    return run


def _words(workspace: Workspace, ref: RunRef, run: Run) -> str:
    progress = progress_of(workspace.plane, ref, run.run_id)
    moved = "" if progress is None else f" {progress.percent:3.0f} %  {progress.words}"
    return f"{run.name or run.state}{moved}"
