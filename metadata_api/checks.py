"""What has to hold before anything starts: metadata first, then the operator, then what this request asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from cdm_mappers.registry import model_for
from contracts.errors import (
    CdmModelUnsupportedError,
    ControlPlaneError,
    EndpointUnknownError,
    FilterNotSupportedError,
    IngestionError,
    ModeUnsupportedError,
    SinkNotProvisionedError,
    StateError,
)
from contracts.mapping import matches_model
from contracts.receipts import RunRef
from contracts.unit import Predicate, UnitPolicy
from metadata_api.errors import MalformedError
from state.admission import catalog_missing, find_unit, require_enabled, require_fitting_sink, require_runnable
from state.units import effective_policy

if TYPE_CHECKING:
    from contracts.unit import DataMode, EndpointUnitDescriptor, IngestionMode, UnitConfig
    from flows.wiring import Workspace
    from metadata_api.metadata_cache import EndpointMetadata, MetadataCache, SinkMetadata
    from metadata_api.requests import IngestionRequest

_PREDICATES = TypeAdapter(tuple[Predicate, ...])


class Admitted(NamedTuple):
    """What may start: the run's place and the flow's parameters."""

    ref: RunRef
    parameters: dict[str, Any]


def admit(workspace: Workspace, metadata: MetadataCache, request: IngestionRequest) -> Admitted:
    """The request as a run. What is known is asked first; a refusal is made sure of with what is so now.

    Raises:
        IngestionError: One of the checks says no; nothing was started.
    """
    try:
        return _admit(workspace, metadata, request)
    except (ControlPlaneError, StateError):
        raise  # nothing could be read; the caller is told within seconds, and may ask again
    except IngestionError:
        admitted = metadata.fresh(lambda now: _admit(workspace, now, request))
        metadata.forget()
        return admitted


def _admit(workspace: Workspace, metadata: MetadataCache, request: IngestionRequest) -> Admitted:
    endpoint = metadata.endpoint(request.endpoint_id)
    config = metadata.config(request.endpoint_id, request.unit_id)
    unit = runnable_unit(endpoint, request.unit_id, config)
    sink = metadata.sink(chosen_sink(request.sink_id, request.sink_endpoint_id, config, default=workspace.default_sink))
    require_data_mode(unit, sink, request.data_mode or config.data_mode)
    policy = run_policy(endpoint, unit, config, request)
    mode = request.run_mode or config.mode
    require_mode(unit, mode, policy)
    if request.checkpoint is not None and mode == "full":
        raise MalformedError("A full run begins at no checkpoint", "Leave it out, or ask for runMode incremental.")
    if request.staging_provider_id is not None:
        workspace.staging(request.staging_provider_id)
    ref = RunRef(endpoint_id=request.endpoint_id, unit_id=request.unit_id, sink_id=sink.sink_id)
    asked = {
        "mode": request.run_mode,
        "data_mode": request.data_mode,
        "policy": {**(request.policy or {}), **filter_of(request.filter)} or None,
        "staging_id": request.staging_provider_id,
        "checkpoint": request.checkpoint,
    }
    return Admitted(ref, {**ref.model_dump(), **{name: value for name, value in asked.items() if value is not None}})


def runnable_unit(endpoint: EndpointMetadata, unit_id: str, config: UnitConfig) -> EndpointUnitDescriptor:
    """The unit, if metadata and operator let it run.

    Raises:
        MetadataError: The endpoint is off, its catalog missing, the unit unknown or off.
    """
    require_enabled(endpoint.endpoint_id, enabled=endpoint.enabled)
    if endpoint.catalog is None:
        raise catalog_missing(endpoint.endpoint_id)
    unit = find_unit(endpoint.catalog, endpoint.units.values(), unit_id)
    require_runnable(endpoint.catalog, unit_id, config, unit.dataset_id)
    return unit


def chosen_sink(
    sink_id: str | None, sink_endpoint_id: str | None, config: UnitConfig, *, default: str | None = None
) -> str:
    """The sink that was asked for, else the configured one, else the default one; raises MalformedError."""
    chosen = one_sink(sink_id, sink_endpoint_id) or config.sink_id or default
    if chosen is None:
        raise MalformedError(
            "No sink is named, and the unit has none", "Give sinkId, configure the unit, or set NUCLEUS_DEFAULT_SINK."
        )
    return chosen


def one_sink(*names: str | None) -> str | None:
    """The sink that is named, once or several times alike; raises MalformedError for two. An empty text names none."""
    named = {each for each in names if each}
    if len(named) > 1:
        raise MalformedError("sinkId and sinkEndpointId name two sinks", "Give one of them.")
    return next(iter(named), None)


def require_data_mode(unit: EndpointUnitDescriptor, sink: SinkMetadata, mode: DataMode) -> None:
    """Rows of a common model need a unit that has one, a sink that takes it, and its table there.

    Raises:
        EndpointUnknownError: The endpoint is no sink.
        CdmModelUnsupportedError: Unit or sink does not fit the mode.
        SinkNotProvisionedError: The model's table was not made.
    """
    if "sink" not in sink.about.roles:
        raise EndpointUnknownError(f"Endpoint {sink.sink_id!r} is no sink", "`ingestionSinks` lists them.")
    model = model_for(unit, mode)
    able = sink.about.capabilities
    require_fitting_sink(sink.sink_id, model, takes_cdm="sink.cdm" in able, takes_raw="sink.raw" in able)
    if model is None:
        return
    model_id = model.model_id
    if not any(matches_model(pattern, model_id) for pattern in sink.models):
        raise CdmModelUnsupportedError(f"Sink {sink.sink_id!r} takes no rows of {model_id}", "Use another sink.")
    if model_id not in sink.provisioned:
        raise SinkNotProvisionedError(
            f"Sink {sink.sink_id!r} has no table of {model_id}", "Make it first (provisionCdmSink)."
        )


def require_mode(unit: EndpointUnitDescriptor, mode: IngestionMode, policy: UnitPolicy) -> None:
    """Refuse a mode that the unit cannot be read in, unless the policy names keys or cursors of its own."""
    if mode not in unit.supported_modes and not (policy.key_columns or policy.cursor_columns):
        raise ModeUnsupportedError(
            f"Unit {unit.unit_id!r} cannot be read {mode}", f"It can be read {' or '.join(unit.supported_modes)}."
        )


def run_policy(
    endpoint: EndpointMetadata, unit: EndpointUnitDescriptor, config: UnitConfig, request: IngestionRequest
) -> UnitPolicy:
    """The whole policy of the run, with a filter of the kind that the source has.

    Raises:
        ConfigInvalidError: A field of the policy is unknown or malformed.
        FilterNotSupportedError: The filter is of another kind, or names what is not there.
    """
    policy = effective_policy(unit, config, {**(request.policy or {}), **filter_of(request.filter)})
    require_filter(endpoint, unit, policy)
    return policy


def require_filter(endpoint: EndpointMetadata, unit: EndpointUnitDescriptor, policy: UnitPolicy) -> None:
    """Selectors only where the source has them, and of their names; conditions only on columns there are.

    Raises:
        FilterNotSupportedError: The filter does not fit the source.
    """
    known = endpoint.about.selectors
    if unknown := [name for name in policy.selectors if name not in known]:
        raise FilterNotSupportedError(
            f"{unit.unit_id} has no selector {unknown[0][:60]!r}",
            f"It has {', '.join(known)}." if known else "Filter it by columns.",
        )
    if policy.filter and known:
        raise FilterNotSupportedError(
            f"{unit.unit_id} cannot be filtered by columns", f"Use selectors: {', '.join(known)}."
        )
    if missing := [each.column for each in policy.filter if unit.dataset.column(each.column) is None]:
        raise FilterNotSupportedError(
            f"{unit.unit_id} has no column {missing[0][:60]!r}", "`metadataDataset` lists its columns."
        )


def filter_of(asked: dict[str, Any] | list[dict[str, Any]] | None) -> dict[str, Any]:
    """The filter as fields of a policy: an object selects by name, a list is conditions on columns."""
    if asked is None:
        return {}
    if isinstance(asked, dict):
        return {"selectors": asked}
    try:
        return {"filter": [each.model_dump(mode="json") for each in _PREDICATES.validate_python(asked)]}
    except ValidationError as error:
        places = sorted({".".join(map(str, each["loc"][:2])) for each in error.errors(include_input=False)})
        raise FilterNotSupportedError(
            f"The filter cannot be used: {', '.join(places)[:200]}", "Each condition is {column, op, value}."
        ) from None
