"""Units, sinks and states as GraphQL types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import strawberry

from contracts.unit import UnitConfig
from flows.operations.cells import exact_json
from metadata_api.results import plain_error
from metadata_api.schema import types
from metadata_api.schema.vendor_filters import shown_filters
from metadata_api.unit_settings import MANUAL, policy_shown, shown_schedule

if TYPE_CHECKING:
    from contracts.endpoint import EndpointDescriptor
    from contracts.unit import EndpointUnitDescriptor, UnitState
    from metadata_api.metadata_cache import SinkMetadata

ID = strawberry.ID


def unit(
    about: EndpointDescriptor, held: EndpointUnitDescriptor, config: UnitConfig, stats: Any, default_sink: str | None
) -> types.IngestionUnit:
    """A unit, and the counters of its last run."""
    endpoint_id, has_model = config.endpoint_id, held.cdm_model_id is not None
    return types.IngestionUnit(
        endpoint_id=ID(endpoint_id),
        unit_id=ID(held.unit_id),
        dataset_id=dataset_key(endpoint_id, held.dataset_id),
        kind=held.kind,
        display_name=held.display_name,
        stats=stats,
        driver_id=about.template_id,
        sink_id=config.sink_id or default_sink or "",
        default_mode=UnitConfig.model_fields["mode"].default.upper(),
        supported_modes=[each.upper() for each in held.supported_modes],
        supported_run_modes=[*held.supported_modes],
        default_data_mode=UnitConfig.model_fields["data_mode"].default,
        supported_data_modes=["raw", "cdm"] if has_model else ["raw"],
        default_policy=held.default_policy.model_dump(mode="json"),
        default_schedule_kind=MANUAL,
        default_schedule_interval_minutes=None,
        cdm_model_id=held.cdm_model_id,
        selectors=[*about.selectors],
    )


def sink(found: SinkMetadata) -> types.IngestionSink:
    """An endpoint that takes rows."""
    return types.IngestionSink(
        id=ID(found.sink_id),
        endpoint_id=ID(found.sink_id),
        template_id=found.about.template_id,
        display_name=f"{found.about.title}: {found.sink_id}",
        supported_cdm_models=[*found.models],
        provisioned_cdm_models=sorted(found.provisioned),
    )


def status(state: UnitState, checkpoint: dict[str, Any] | None) -> types.IngestionStatus:
    """Where a unit stands."""
    shown = plain_error(dict(state.last_error)) if state.state == "FAILED" and state.last_error else None
    return types.IngestionStatus(
        endpoint_id=ID(state.endpoint_id),
        unit_id=ID(state.unit_id),
        sink_id=state.sink_id,
        state=types.IngestionState(state.state),
        last_run_id=state.flow_run_id or state.last_run_id,  # what startIngestion answered
        last_run_at=state.last_run_at,
        last_error=None if shown is None else f"{shown['code']}: {shown['message']}",
        last_error_detail=None if shown is None else types.ErrorDetail(**shown),
        stats=state.stats or None,
        checkpoint=exact_json(checkpoint),
        waiting=state.waiting,
    )


def unit_config(
    about: EndpointDescriptor, held: EndpointUnitDescriptor, config: UnitConfig, last: types.IngestionStatus | None
) -> types.IngestionUnitConfig:
    """What was set for a unit."""
    schedule = shown_schedule(config.schedule)
    return types.IngestionUnitConfig(
        id=ID(f"{config.endpoint_id}/{config.unit_id}"),
        endpoint_id=ID(config.endpoint_id),
        dataset_id=dataset_key(config.endpoint_id, held.dataset_id),
        unit_id=ID(config.unit_id),
        enabled=config.enabled,
        run_mode=config.mode,
        mode=config.data_mode,
        sink_id=config.sink_id or "",
        sink_endpoint_id=None if config.sink_id is None else ID(config.sink_id),
        schedule_kind=schedule.kind,
        schedule_interval_minutes=schedule.interval_minutes,
        schedule_cron=schedule.cron,
        policy=exact_json(policy_shown(config)),
        last_status=last,
        **shown_filters(about.selectors, config.policy.selectors),
    )


def dataset_key(endpoint_id: str, dataset_id: str) -> strawberry.ID:
    """``<endpoint>/<dataset>``: an endpoint's id has no slash."""
    return ID(f"{endpoint_id}/{dataset_id}")
