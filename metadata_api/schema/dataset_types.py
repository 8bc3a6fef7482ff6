"""Datasets of catalogs as the API shows them, their previews, and pages of them."""
# ruff: noqa: D101 - the description is what clients read

from datetime import datetime
from typing import TYPE_CHECKING, Any

import strawberry

from contracts.catalog import CatalogSnapshot, DatasetDescriptor
from metadata_api.metadata_cache import read_endpoint
from metadata_api.schema import showing
from metadata_api.schema.context import Context
from metadata_api.schema.endpoint_showing import shown_endpoint
from metadata_api.schema.endpoint_types import MetadataCollectionRun, MetadataEndpoint, last_collections
from metadata_api.schema.types import IngestionUnitConfig
from metadata_api.schema.unit_lookups import last_status

if TYPE_CHECKING:
    JSON = Any
else:
    from strawberry.scalars import JSON

Info = strawberry.Info[Context, None]


@strawberry.type(description="One column of a dataset.")
class DatasetColumn:
    name: str
    logical_type: str
    declared_type: str
    nullable: bool
    comment: str | None


@strawberry.type(description="One column in short: its type as the source declares it.")
class CatalogDatasetField:
    name: str
    type: str
    description: str | None


@strawberry.type(description="What is known of a dataset's size; estimates of the source.")
class CatalogDatasetProfile:
    record_count: float | None
    sample_size: float | None = None
    last_profiled_at: datetime | None = None
    raw: JSON | None = None


@strawberry.type(description="A dataset of an endpoint's catalog; its id is `<endpoint>/<dataset>`.")
class CatalogDataset:
    id: strawberry.ID
    endpoint_id: strawberry.ID
    dataset_id: str
    kind: str
    namespace: str
    name: str
    labels: list[str]
    primary_key: list[str]
    comment: str | None
    rows_estimate: float | None
    bytes_estimate: float | None
    columns: list[DatasetColumn]
    upstream_id: str
    display_name: str
    description: str | None
    source: str
    schema: str
    entity: str
    source_endpoint_id: strawberry.ID
    profile: CatalogDatasetProfile
    statistics: JSON | None
    fields: list[CatalogDatasetField]
    collected_at: datetime | None = None
    project_ids: list[str] | None = None
    sample_rows: list[JSON] | None = None

    @strawberry.field
    def source_endpoint(self, info: Info) -> MetadataEndpoint:
        """The endpoint it belongs to."""
        return shown_endpoint(info.context.workspace, self.endpoint_id)

    @strawberry.field
    def last_collection_run(self, info: Info) -> MetadataCollectionRun | None:
        """The latest collection of its endpoint's catalog."""
        return next(iter(last_collections(info.context, self.endpoint_id, 1)), None)

    @strawberry.field
    def ingestion_config(self, info: Info) -> IngestionUnitConfig | None:
        """What is set for its unit; null when it cannot be ingested."""
        workspace = info.context.workspace
        endpoint = read_endpoint(workspace, self.endpoint_id)
        unit = endpoint.unit_of(self.dataset_id)
        if unit is None:
            return None
        config = workspace.units.config(self.endpoint_id, unit.unit_id)
        last = last_status(info.context, self.endpoint_id, unit.unit_id)
        return showing.unit_config(endpoint.about, unit, config, last)


@strawberry.type(description="A common model's table in a sink; datasetId is its id in the catalog.")
class ProvisionCdmSinkResult(CatalogDataset):
    dataset_id: strawberry.ID
    ok: bool = True
    table_name: str = ""


@strawberry.type(description="The first rows of a dataset; no order is promised.")
class CatalogDatasetPreview:
    columns: list[str]
    rows: list[JSON]
    sampled_at: datetime


@strawberry.type(description="Where a page of a list lies.")
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: strawberry.ID | None
    end_cursor: strawberry.ID | None


@strawberry.type(description="A dataset and its place in the list.")
class CatalogDatasetEdge:
    cursor: strawberry.ID
    node: CatalogDataset


@strawberry.type(description="A page of datasets, ordered by id.")
class CatalogDatasetConnection:
    nodes: list[CatalogDataset]
    edges: list[CatalogDatasetEdge]
    page_info: PageInfo
    total_count: int


def shown_dataset(catalog: CatalogSnapshot, held: DatasetDescriptor) -> CatalogDataset:
    """A dataset of the catalog."""
    return CatalogDataset(**_values(catalog.endpoint_id, held), collected_at=catalog.collected_at)


def provisioned(endpoint_id: str, held: DatasetDescriptor) -> ProvisionCdmSinkResult:
    """A common model's table."""
    key = showing.dataset_key(endpoint_id, held.dataset_id)
    return ProvisionCdmSinkResult(**{**_values(endpoint_id, held), "dataset_id": key}, table_name=held.name)


def connection(found: list[CatalogDataset], first: int, after: str | None) -> CatalogDatasetConnection:
    """The page of ``first`` datasets behind the cursor, which need not exist any more."""
    ordered = sorted(found, key=lambda each: each.id)
    rest = [each for each in ordered if after is None or each.id > after]
    page = rest[:first]
    info = PageInfo(
        has_next_page=len(rest) > len(page),
        has_previous_page=len(rest) < len(ordered),
        start_cursor=page[0].id if page else None,
        end_cursor=page[-1].id if page else None,
    )
    edges = [CatalogDatasetEdge(cursor=each.id, node=each) for each in page]
    return CatalogDatasetConnection(nodes=page, edges=edges, page_info=info, total_count=len(ordered))


def _values(endpoint_id: str, held: DatasetDescriptor) -> dict[str, Any]:
    columns = [
        DatasetColumn(
            name=each.name, logical_type=each.logical_type, declared_type=each.declared_type,
            nullable=each.nullable, comment=each.comment,
        )
        for each in held.columns
    ]  # fmt: skip
    sizes = {"rowsEstimate": held.rows_estimate, "bytesEstimate": held.bytes_estimate}
    return {
        "id": showing.dataset_key(endpoint_id, held.dataset_id),
        "endpoint_id": strawberry.ID(endpoint_id),
        "dataset_id": held.dataset_id,
        "kind": held.kind,
        "namespace": held.namespace,
        "name": held.name,
        "labels": [*held.labels],
        "primary_key": [*held.primary_key],
        "comment": held.comment,
        "rows_estimate": held.rows_estimate,
        "bytes_estimate": held.bytes_estimate,
        "columns": columns,
        "upstream_id": held.dataset_id,
        "display_name": held.name,
        "description": held.comment,
        "source": endpoint_id,
        "schema": held.namespace,
        "entity": held.name,
        "source_endpoint_id": strawberry.ID(endpoint_id),
        "profile": CatalogDatasetProfile(record_count=held.rows_estimate),
        "statistics": {name: value for name, value in sizes.items() if value is not None} or None,
        "fields": [CatalogDatasetField(name=c.name, type=c.declared_type, description=c.comment) for c in held.columns],
    }
