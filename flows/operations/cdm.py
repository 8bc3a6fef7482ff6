"""Operations on common models: create a model's table in a sink, and map staged rows again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cdm_mappers.registry import mapper_for, model_for
from contracts.catalog import CatalogSnapshot
from contracts.errors import CatalogMissingError, CdmModelUnsupportedError
from contracts.receipts import RunRef
from contracts.traits import SupportsCdm
from flows.knowledge_feed import save_catalog
from flows.stages.plan import RunRequest
from flows.stages.remap import RemapSummary, remap
from state.units import effective_policy

if TYPE_CHECKING:
    from contracts.catalog import DatasetDescriptor
    from flows.wiring import Workspace


def provision_cdm(workspace: Workspace, sink_endpoint_id: str, cdm_model_id: str) -> DatasetDescriptor:
    """Make the model's table in the sink, or widen it, and put it into the sink endpoint's catalog. Idempotent.

    Raises:
        EndpointUnknownError: There is no such endpoint.
        CdmModelUnsupportedError: No such model, or the sink does not take it.
        SinkSchemaConflictError: A table of that name cannot be made to fit; nothing was changed.
    """
    from cdm_mappers.models import model_of  # noqa: PLC0415

    model = model_of(cdm_model_id)
    sink = workspace.sink(sink_endpoint_id)
    if not isinstance(sink, SupportsCdm):
        raise CdmModelUnsupportedError(
            f"Endpoint {sink_endpoint_id!r} takes no common-model rows",
            "Use an endpoint of template `cdm.jdbc`.",
            endpoint_id=sink_endpoint_id,
            cdm_model_id=cdm_model_id,
        )
    made = sink.provision_model(model).dataset
    dataset = made.model_copy(update={"labels": (*made.labels, f"sink-endpoint:{sink_endpoint_id}")})
    _catalogue(workspace, sink_endpoint_id, dataset)
    return dataset


def _catalogue(workspace: Workspace, endpoint_id: str, dataset: DatasetDescriptor) -> None:
    """The endpoint's catalog with this dataset in it; what else it holds stays."""
    try:
        catalogued = workspace.catalogs.load(endpoint_id).datasets
    except CatalogMissingError:
        catalogued = ()
    others = [one for one in catalogued if one.dataset_id != dataset.dataset_id]
    if dataset in catalogued:
        return
    save_catalog(
        workspace,
        CatalogSnapshot(
            endpoint_id=endpoint_id,
            collected_at=datetime.now(UTC),
            datasets=tuple(sorted([*others, dataset], key=lambda one: one.dataset_id)),
        ),
    )


def remap_unit(
    workspace: Workspace, endpoint_id: str, unit_id: str, sink_id: str, staging_id: str | None = None
) -> RemapSummary:
    """Map what is staged of a unit again with the current mapper; the source is not asked for rows.

    Raises:
        IngestionError: As :func:`flows.stages.remap.remap`.
    """
    unit, config = workspace.runnable(endpoint_id, unit_id)
    model = model_for(unit, "cdm")
    mapper = mapper_for(workspace.source(endpoint_id), unit, model)
    if mapper is None:
        raise CdmModelUnsupportedError(f"Unit {unit_id!r} has no mapper", "Ingest it in data mode `raw`.")
    request = RunRequest(
        ref=RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=sink_id),
        unit=unit,
        mode="full",
        policy=effective_policy(unit, config, None),
        cdm_model=model,
    )
    return remap(workspace.sink(sink_id), workspace.staging(staging_id), request, mapper)
