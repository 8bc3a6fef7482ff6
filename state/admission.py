"""Who may run (I7): the only place that decides it, for commands, flows and the API alike.

Metadata is asked first, then the operator, then what the sink takes. Nothing is read here: callers pass what they
know, fresh or from a cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.errors import (
    CatalogMissingError,
    CdmModelUnsupportedError,
    DatasetNotInCatalogError,
    EndpointDisabledError,
    UnitDisabledError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contracts.catalog import CatalogSnapshot, DatasetDescriptor
    from contracts.mapping import CdmModel
    from contracts.unit import EndpointUnitDescriptor, UnitConfig


def require_enabled(endpoint_id: str, *, enabled: bool) -> None:
    """Refuse an endpoint that an operator disabled.

    Raises:
        EndpointDisabledError: It is disabled.
    """
    if not enabled:
        raise EndpointDisabledError(
            f"Endpoint {endpoint_id!r} is disabled",
            "Enable it (`nucleus endpoint enable`, updateEndpoint), or choose another one.",
            endpoint_id=endpoint_id,
        )


def catalog_missing(endpoint_id: str) -> CatalogMissingError:
    """The error for an endpoint whose catalog was never collected."""
    return CatalogMissingError(
        f"The catalog of endpoint {endpoint_id!r} was never collected",
        f"Run `nucleus catalog collect {endpoint_id}` (triggerEndpointCollection) first.",
        endpoint_id=endpoint_id,
    )


def find_unit(
    catalog: CatalogSnapshot, units: Iterable[EndpointUnitDescriptor], unit_id: str
) -> EndpointUnitDescriptor:
    """The unit of that id.

    Args:
        catalog: The endpoint's latest snapshot.
        units: The units that the source makes of it.
        unit_id: The one to find.

    Raises:
        DatasetNotInCatalogError: The catalog has no such dataset, or it cannot be ingested.
    """
    for unit in units:
        if unit.unit_id == unit_id:
            return unit
    catalog.dataset(unit_id)
    raise DatasetNotInCatalogError(
        f"Dataset {unit_id!r} of endpoint {catalog.endpoint_id!r} is catalogued but cannot be ingested",
        "`nucleus unit list` (ingestionUnits) shows what can.",
        endpoint_id=catalog.endpoint_id,
        dataset_id=unit_id,
    )


def require_runnable(
    catalog: CatalogSnapshot, unit_id: str, config: UnitConfig, dataset_id: str | None = None
) -> DatasetDescriptor:
    """The dataset behind the unit, provided that the unit may run. The catalog is checked first, then the settings.

    Args:
        catalog: The endpoint's latest snapshot.
        unit_id: The unit to run.
        config: The operator's settings for it.
        dataset_id: The unit's dataset if its id differs from the unit's.

    Raises:
        DatasetNotInCatalogError: The catalog has no such dataset.
        UnitDisabledError: An operator disabled the unit.
    """
    dataset = catalog.dataset(unit_id if dataset_id is None else dataset_id)
    if not config.enabled:
        raise UnitDisabledError(
            f"Unit {unit_id!r} of endpoint {catalog.endpoint_id!r} is disabled",
            f"Enable it (`nucleus unit configure {catalog.endpoint_id} {unit_id}`), or choose another one.",
            endpoint_id=catalog.endpoint_id,
            unit_id=unit_id,
        )
    return dataset


def require_fitting_sink(sink_id: str, model: CdmModel | None, *, takes_cdm: bool, takes_raw: bool = False) -> None:
    """Rows of a common model go to a sink of common models, raw rows to any other, and to one that says it takes both.

    Args:
        sink_id: Of the sink, for the message.
        model: What the rows are mapped to; None for raw rows.
        takes_cdm: Whether the sink has the capability ``sink.cdm``.
        takes_raw: Whether it has ``sink.raw``; without common models, every sink takes raw rows.

    Raises:
        CdmModelUnsupportedError: The two do not fit.
    """
    if model is None and takes_cdm and not takes_raw:
        raise CdmModelUnsupportedError(
            f"Sink {sink_id!r} takes common-model rows only, and this run makes raw ones",
            "Use data mode `cdm`, or a raw sink.",
            sink_id=sink_id,
        )
    if model is not None and not takes_cdm:
        raise CdmModelUnsupportedError(
            f"Sink {sink_id!r} takes no rows of {model.model_id}",
            "Use a sink of template `cdm.jdbc`, or data mode `raw`.",
            sink_id=sink_id,
            cdm_model_id=model.model_id,
        )
