"""How far a unit was read, changed by a person; refused while a run holds the unit and would save its own over it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contracts.errors import CursorUnsupportedError
from contracts.state import Checkpoint
from contracts.traits import SupportsWatermark
from state.units import effective_policy

if TYPE_CHECKING:
    from contracts.model import Json
    from contracts.receipts import RunRef
    from flows.wiring import Workspace


def forget_watermark(workspace: Workspace, ref: RunRef) -> bool:
    """Forget checkpoint and transient state: the next incremental run reads everything. False when there was none.

    Raises:
        RunInProgressError: A run holds the unit.
    """
    with workspace.sink(ref.sink_id).exclusive(ref):
        return workspace.checkpoints(workspace.vendor(ref.endpoint_id)).reset(ref)


def set_watermark(workspace: Workspace, ref: RunRef, value: str, by: str) -> Json:
    """Make the next incremental run begin at ``value``; the checkpoint that says so.

    Args:
        workspace: Endpoints and state.
        ref: The unit and its sink.
        value: A cursor value or a moment, as the source understands it; or a whole checkpoint as a JSON object.
        by: Who changed it; stands in the checkpoint where the id of its run would.

    Raises:
        CursorUnsupportedError: The source has no watermarks that a person can set, or the value is none.
        RunInProgressError: A run holds the unit.
        MetadataError: There is no such unit.
    """
    cursor = _whole(value) or _at(workspace, ref, value)
    with workspace.sink(ref.sink_id).exclusive(ref):
        checkpoints = workspace.checkpoints(workspace.vendor(ref.endpoint_id))
        checkpoints.reset(ref)
        checkpoints.save_progress(
            Checkpoint(**ref.model_dump(), cursor=cursor, last_run_id=by, last_updated_at=datetime.now(UTC), stats={})
        )
    return cursor


def _whole(value: str) -> Json | None:
    try:
        given = json.loads(value)
    except ValueError:
        return None
    return given if isinstance(given, dict) else None


def _at(workspace: Workspace, ref: RunRef, value: str) -> Json:
    unit = workspace.unit(ref.endpoint_id, ref.unit_id)
    source = workspace.source(ref.endpoint_id)
    if not isinstance(source, SupportsWatermark):
        raise CursorUnsupportedError(
            f"{ref.unit_id} has no watermark that is one value", "Give the whole checkpoint as a JSON object."
        )
    policy = effective_policy(unit, workspace.units.config(ref.endpoint_id, ref.unit_id), None)
    return source.checkpoint_at(unit, policy, value)
