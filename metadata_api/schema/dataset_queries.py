"""What may be asked about the datasets of catalogs."""

from datetime import UTC, datetime

import strawberry

from contracts.catalog import CatalogSnapshot
from contracts.errors import CatalogMissingError
from flows.operations.cells import json_rows
from flows.preview_dataset import MOST_CHARACTERS, MOST_ROWS
from flows.wiring import Workspace
from metadata_api.errors import MalformedError
from metadata_api.metadata_cache import read_endpoint
from metadata_api.schema.context import Context
from metadata_api.schema.dataset_types import (
    CatalogDataset,
    CatalogDatasetConnection,
    CatalogDatasetPreview,
    connection,
    shown_dataset,
)

Info = strawberry.Info[Context, None]
MOST_DATASETS = 500
"""In one page."""


@strawberry.type
class DatasetQueries:
    """The part of Query that is about datasets."""

    @strawberry.field
    def catalog_datasets(
        self,
        info: Info,
        endpoint_id: strawberry.ID | None = None,
        search: str | None = None,
        labels: list[str] | None = None,
        project_id: str | None = None,  # noqa: ARG002 - there is one project
        unlabeled_only: bool | None = None,  # noqa: FBT001 - an argument of GraphQL has a name
    ) -> list[CatalogDataset]:
        """Catalogued datasets: of one endpoint, whose id or comment contains the text, that carry all the labels."""
        return _matching(info.context.workspace, endpoint_id, search, labels, unlabeled_only=unlabeled_only)

    @strawberry.field
    def catalog_dataset_connection(
        self,
        info: Info,
        first: int | None = 25,
        after: strawberry.ID | None = None,
        endpoint_id: strawberry.ID | None = None,
        search: str | None = None,
        labels: list[str] | None = None,
        project_id: str | None = None,  # noqa: ARG002 - there is one project
        unlabeled_only: bool | None = None,  # noqa: FBT001 - an argument of GraphQL has a name
    ) -> CatalogDatasetConnection:
        """The same in pages of at most 500, ordered by id."""
        wanted = MOST_DATASETS if first is None else first
        if not 0 < wanted <= MOST_DATASETS:
            raise MalformedError("A page has between 1 and 500 datasets", "Give first in these limits.")
        found = _matching(info.context.workspace, endpoint_id, search, labels, unlabeled_only=unlabeled_only)
        return connection(found, wanted, after)

    @strawberry.field
    def metadata_dataset(self, info: Info, id: strawberry.ID) -> CatalogDataset | None:  # noqa: A002
        """One dataset, or null."""
        endpoint_id, dataset_id = split_dataset(id)
        catalog = catalog_of(info.context.workspace, endpoint_id)
        found = [each for each in catalog.datasets if each.dataset_id == dataset_id]
        return shown_dataset(catalog, found[0]) if found else None

    @strawberry.field
    def catalog_dataset_preview(self, info: Info, id: strawberry.ID) -> CatalogDatasetPreview:  # noqa: A002
        """The first twenty rows of a dataset, asked of the source now; rows are for admins."""
        return preview(info.context.admin(), id, None)


def preview(workspace: Workspace, key: str, limit: int | None) -> CatalogDatasetPreview:
    """The first rows of a dataset, twenty unless a limit is given, at most fifty.

    Raises:
        MalformedError: The limit is below one, or the id is none.
        MetadataError: There is no such dataset.
    """
    endpoint_id, dataset_id = split_dataset(key)
    unit = read_endpoint(workspace, endpoint_id).unit_of(dataset_id) or workspace.unit(endpoint_id, dataset_id)
    rows = min(MOST_ROWS, 20 if limit is None else limit)
    if rows < 1:
        raise MalformedError("There are no fewer than one rows to show", "Leave limit out, or give 1 to 50.")
    columns, lines = json_rows(workspace.source(endpoint_id).preview(unit, rows), MOST_CHARACTERS)
    return CatalogDatasetPreview(columns=columns, rows=[*lines], sampled_at=datetime.now(UTC))


def split_dataset(key: str) -> tuple[str, str]:
    """Endpoint and dataset of a dataset's id; raises MalformedError."""
    endpoint_id, sign, dataset_id = key.partition("/")
    if not (endpoint_id and sign and dataset_id):
        raise MalformedError("This is no id of a dataset", "It reads `<endpoint>/<dataset>`.")
    return endpoint_id, dataset_id


def catalog_of(workspace: Workspace, endpoint_id: str) -> CatalogSnapshot:
    """The catalog; an empty one when it was never collected."""
    try:
        return workspace.catalogs.load(endpoint_id)
    except CatalogMissingError:
        return CatalogSnapshot(endpoint_id=endpoint_id, collected_at=datetime.now(UTC), datasets=())


def _matching(
    workspace: Workspace,
    endpoint_id: str | None,
    search: str | None,
    labels: list[str] | None,
    *,
    unlabeled_only: bool | None,
) -> list[CatalogDataset]:
    ids = [endpoint_id] if endpoint_id else [each.endpoint_id for each in workspace.endpoints.list()]
    if endpoint_id:
        workspace.endpoints.template(endpoint_id)
    wanted, text = set(labels or ()), (search or "").lower()
    return [
        shown_dataset(catalog, each)
        for catalog in (catalog_of(workspace, one) for one in ids)
        for each in catalog.datasets
        if wanted <= set(each.labels) and text in f"{each.dataset_id} {each.comment or ''}".lower()
        if not (unlabeled_only and each.labels)
    ]
