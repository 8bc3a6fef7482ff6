"""Units of a PostgreSQL endpoint: one for each catalogued dataset, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.postgres.types import can_be_cursor
from contracts.unit import EndpointUnitDescriptor

if TYPE_CHECKING:
    from contracts.catalog import CatalogSnapshot, DatasetDescriptor


def units_of(catalog: CatalogSnapshot) -> tuple[EndpointUnitDescriptor, ...]:
    """The catalog's datasets as units, in the catalog's order; one without columns has nothing to read."""
    return tuple(unit_of(dataset) for dataset in catalog.datasets if dataset.columns)


def unit_of(dataset: DatasetDescriptor) -> EndpointUnitDescriptor:
    """One dataset as a unit: its key, the columns that can order changes, the modes that are possible."""
    key = dataset.primary_key or next(iter(dataset.unique_keys), ())
    cursors = tuple(column.name for column in dataset.columns if can_be_cursor(column.declared_type))
    return EndpointUnitDescriptor(
        unit_id=dataset.dataset_id,
        dataset=dataset,
        kind=dataset.kind,
        display_name=f"{dataset.namespace}.{dataset.name}",
        primary_key=key,
        cursor_candidates=cursors,
        supported_modes=("full", "incremental") if key and cursors else ("full",),
    )
