"""Changing how far a unit was read, while no run holds it: a run that goes on would save its own over it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contracts.state import Checkpoint

if TYPE_CHECKING:
    from contracts.model import Json
    from contracts.receipts import RunRef
    from flows.wiring import Workspace


def forget_cursor(workspace: Workspace, ref: RunRef) -> bool:
    """Forget checkpoint and transient state; False when there was none.

    Raises:
        RunInProgressError: A run holds the unit.
    """
    with workspace.sink(ref.sink_id).exclusive(ref):
        return workspace.checkpoints(workspace.vendor(ref.endpoint_id)).reset(ref)


def set_cursor(workspace: Workspace, ref: RunRef, cursor: Json, by: str) -> None:
    """Make the next incremental run begin at ``cursor``, in the source's own form.

    Raises:
        RunInProgressError: A run holds the unit.
    """
    with workspace.sink(ref.sink_id).exclusive(ref):
        checkpoints = workspace.checkpoints(workspace.vendor(ref.endpoint_id))
        checkpoints.reset(ref)
        checkpoints.save_progress(
            Checkpoint(**ref.model_dump(), cursor=cursor, last_run_id=by, last_updated_at=datetime.now(UTC), stats={})
        )
