"""What the run-control mutations do: start, pause, forget and move watermarks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from contracts.receipts import RunRef
from flows.blocks.endpoint_changes import changed_config
from flows.operations import run_control
from flows.operations.watermarks import forget_watermark, set_watermark
from flows.prefect_api.collection_runs import COLLECT_DEPLOYMENT, collection_name
from flows.prefect_api.runs import key_of
from metadata_api.checks import admit, chosen_sink
from metadata_api.registration import refuse_masks
from metadata_api.requests import IngestionRequest

if TYPE_CHECKING:
    from flows.prefect_api.runs import Run
    from metadata_api.services import ApiServices


def start_unit(
    services: ApiServices, endpoint_id: str, unit_id: str, sink_id: str | None, sink_endpoint_id: str | None
) -> run_control.Start:
    """Start the unit, or go on where a pause stopped it; a run that has not begun and does the same is given back.

    Raises:
        IngestionError: It may not run.
    """
    request = IngestionRequest.model_construct(
        endpoint_id=endpoint_id, unit_id=unit_id, sink_id=sink_id, sink_endpoint_id=sink_endpoint_id
    )
    admitted = admit(services.workspace, services.metadata, request)
    services.unit_states.invalidate(admitted.ref)
    return run_control.start(services.workspace, admitted.ref, admitted.parameters)


def pause_unit(services: ApiServices, endpoint_id: str, unit_id: str, sink_id: str | None) -> Run | None:
    """Ask the unit's run to end after what is in hand and hold its schedule back; the run, if there is one."""
    return run_control.pause(services.workspace, ref_of(services, endpoint_id, unit_id, sink_id))


def reset_checkpoint(services: ApiServices, endpoint_id: str, unit_id: str, sink_id: str | None) -> bool:
    """Forget how far the unit was read; raises RunInProgressError while a run holds it."""
    return forget_watermark(services.workspace, ref_of(services, endpoint_id, unit_id, sink_id))


def move_watermark(
    services: ApiServices, endpoint_id: str, unit_id: str, watermark: str | None, sink_id: str | None
) -> str:
    """Make the next incremental run begin elsewhere, from the beginning without a watermark; what was done, in words.

    Raises:
        CursorUnsupportedError: It is no watermark of the unit.
        RunInProgressError: A run holds the unit.
    """
    ref = ref_of(services, endpoint_id, unit_id, sink_id)
    if watermark is None:
        return "The watermark is forgotten" if forget_watermark(services.workspace, ref) else "There was no watermark"
    set_watermark(services.workspace, ref, watermark, "updateIngestionWatermark")
    return "The next incremental run begins there"


def ref_of(services: ApiServices, endpoint_id: str, unit_id: str, sink_id: str | None) -> RunRef:
    """What an action is about, to be read again; raises MetadataError for a unit that is not in the catalog."""
    services.workspace.unit(endpoint_id, unit_id)
    config = services.workspace.units.config(endpoint_id, unit_id)
    chosen = chosen_sink(sink_id, None, config, default=services.workspace.default_sink)
    ref = RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=chosen)
    services.unit_states.invalidate(ref)
    return ref


def collect(services: ApiServices, endpoint_id: str) -> Run:
    """Start the collection of an endpoint's catalog; raises EndpointUnknownError."""
    services.workspace.endpoints.template(endpoint_id)
    services.metadata.forget()
    name, key = collection_name(endpoint_id), key_of("collect", uuid4().hex)
    return services.runs.start(COLLECT_DEPLOYMENT, {"endpoint_id": endpoint_id}, key=key, name=name)


def update_endpoint(services: ApiServices, endpoint_id: str, config: dict[str, Any]) -> None:
    """Put fields in place of those of that name; secrets that are not given stay, unless they would go elsewhere.

    Raises:
        EndpointUnknownError: There is no such endpoint.
        ConfigInvalidError: The fields do not make a config, or a secret has to be given again.
    """
    template_id, held = services.workspace.endpoints.get(endpoint_id)
    refuse_masks(config)
    services.workspace.endpoints.add(endpoint_id, template_id, changed_config(template_id, held, config), replace=True)
