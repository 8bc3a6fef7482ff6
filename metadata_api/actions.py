"""What the run-control mutations do: start, pause, forget and move watermarks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from contracts.errors import ConfigInvalidError
from contracts.receipts import RunRef
from flows.blocks import plain_fields
from flows.cursors import forget_cursor, set_cursor
from flows.pausing import hold, release
from metadata_api.checks import admit, chosen_sink
from metadata_api.errors import MalformedError
from metadata_api.requests import IngestionRequest
from metadata_api.runs import ACCEPTED, WAITING, key_of

if TYPE_CHECKING:
    from metadata_api.door import Door
    from metadata_api.runs import Run

DEPLOYMENT = "ingest-unit/ingest-unit"
COLLECT = "collect-catalog/collect-catalog"


def start_unit(door: Door, endpoint_id: str, unit_id: str, sink_id: str | None, sink_endpoint_id: str | None) -> Run:
    """Start the unit, or go on where a pause stopped it; a run that goes on already is given back.

    Raises:
        IngestionError: It may not run.
    """
    request = IngestionRequest.model_construct(
        endpoint_id=endpoint_id, unit_id=unit_id, sink_id=sink_id, sink_endpoint_id=sink_endpoint_id
    )
    admitted = admit(door.workspace, door.facts, request)
    if release(door.workspace.store, admitted.ref):
        door.sync_schedules()
    elif alive := door.runs.alive().get(str(admitted.ref)):
        return alive
    return door.runs.start(DEPLOYMENT, admitted.parameters, key=key_of("start", uuid4().hex), tags=(ACCEPTED,))


def pause_unit(door: Door, endpoint_id: str, unit_id: str, sink_id: str | None) -> Run | None:
    """Ask the unit's run to end after what is in hand and hold its schedule back; the run, if there is one."""
    ref = ref_of(door, endpoint_id, unit_id, sink_id)
    alive = door.runs.alive().get(str(ref))
    waiting = [run for run in door.runs.find(WAITING, tag=ACCEPTED) if run.ref == ref]
    hold(door.workspace.store, ref, [alive.run_id] if alive else [])
    for run in waiting:
        door.runs.cancel(run)
    if alive is None:
        door.workspace.states.paused(ref)
    door.sync_schedules()
    return alive


def reset_checkpoint(door: Door, endpoint_id: str, unit_id: str, sink_id: str | None) -> bool:
    """Forget how far the unit was read; raises RunInProgressError while a run holds it."""
    return forget_cursor(door.workspace, ref_of(door, endpoint_id, unit_id, sink_id))


def set_watermark(door: Door, endpoint_id: str, unit_id: str, watermark: str | None, sink_id: str | None) -> str:
    """Make the next incremental run begin elsewhere; what was done, in words.

    Args:
        door: The API's door.
        endpoint_id: The source.
        unit_id: The unit.
        watermark: A whole cursor as a JSON object, or the value of a cursor that is one value; None forgets it.
        sink_id: The sink; the unit's own when None.

    Raises:
        MalformedError: The unit's cursor is not one value.
        RunInProgressError: A run holds the unit.
    """
    ref = ref_of(door, endpoint_id, unit_id, sink_id)
    if watermark is None:
        was_there = forget_cursor(door.workspace, ref)
        return "The watermark is forgotten" if was_there else "There was no watermark"
    set_cursor(door.workspace, ref, _cursor(door, ref, watermark), "updateIngestionWatermark")
    return "The next incremental run begins there"


def ref_of(door: Door, endpoint_id: str, unit_id: str, sink_id: str | None) -> RunRef:
    """What an action is about; raises MetadataError for a unit that is not in the catalog."""
    door.workspace.unit(endpoint_id, unit_id)
    config = door.workspace.units.config(endpoint_id, unit_id)
    return RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=chosen_sink(sink_id, None, config))


def collect(door: Door, endpoint_id: str) -> Run:
    """Start the collection of an endpoint's catalog; raises EndpointUnknownError."""
    door.workspace.endpoints.template(endpoint_id)
    door.facts.forget()
    return door.runs.start(COLLECT, {"endpoint_id": endpoint_id}, key=key_of("collect", uuid4().hex))


def update_endpoint(door: Door, endpoint_id: str, config: dict[str, Any]) -> None:
    """Put fields in place of those of that name; secrets that are not given stay as they are.

    Raises:
        EndpointUnknownError: There is no such endpoint.
        ConfigInvalidError: The fields do not make a config.
    """
    template_id, held = door.workspace.endpoints.get(endpoint_id)
    masks = [name for name, value in config.items() if value == "********"]
    if masks:
        raise ConfigInvalidError(f"{', '.join(masks)[:200]} is a mask, not a value", "Leave out what is to stay.")
    kept = {name: value for name, value in plain_fields(held).items() if value is not None}
    merged = {name: value for name, value in {**kept, **config}.items() if value is not None}
    door.workspace.endpoints.add(endpoint_id, template_id, merged, replace=True)


def _cursor(door: Door, ref: RunRef, watermark: str) -> dict[str, Any]:
    try:
        given = json.loads(watermark)
    except ValueError:
        given = watermark
    if isinstance(given, dict):
        return given
    held = door.workspace.checkpoints(door.workspace.vendor(ref.endpoint_id)).load(ref)
    if held is None or "settled" not in held.cursor:
        raise MalformedError(
            "The unit's cursor is not one value, or was never saved", "Give the whole cursor as a JSON object."
        )
    return {**held.cursor, "settled": watermark, "pending": []}
