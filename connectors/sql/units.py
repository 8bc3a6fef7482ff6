"""Datasets of an endpoint of tables, and its units: one for each catalogued dataset, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.unit import EndpointUnitDescriptor

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts.catalog import CatalogSnapshot, ColumnDescriptor, DatasetDescriptor


def units_of(
    catalog: CatalogSnapshot, can_be_cursor: Callable[[ColumnDescriptor], bool]
) -> tuple[EndpointUnitDescriptor, ...]:
    """The catalog's datasets as units, in the catalog's order; one without columns has nothing to read.

    Args:
        catalog: What was collected.
        can_be_cursor: True for a column whose order is the order of change.
    """
    return tuple(_unit_of(dataset, can_be_cursor) for dataset in catalog.datasets if dataset.columns)


def dataset_id(namespace: str, name: str) -> str:
    """``schema.table``; names with a dot or a quote in them are quoted, so that ids stay unique."""
    return ".".join(f'"{part}"' if "." in part or '"' in part else part for part in (namespace, name))


def _unit_of(dataset: DatasetDescriptor, can_be_cursor: Callable[[ColumnDescriptor], bool]) -> EndpointUnitDescriptor:
    """Its key, the columns that can order changes, the modes that are possible."""
    key = dataset.primary_key or next(iter(dataset.unique_keys), ())
    cursors = tuple(column.name for column in dataset.columns if can_be_cursor(column))
    return EndpointUnitDescriptor(
        unit_id=dataset.dataset_id,
        dataset=dataset,
        kind=dataset.kind,
        display_name=f"{dataset.namespace}.{dataset.name}",
        primary_key=key,
        cursor_candidates=cursors,
        supported_modes=("full", "incremental") if key and cursors else ("full",),
    )
