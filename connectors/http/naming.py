"""What other programs call the datasets of an API: OpenLineage's conventions do not say, so its address comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.lineage import DatasetName, without_secrets

if TYPE_CHECKING:
    from contracts.catalog import DatasetDescriptor


def api_dataset_name(url: str, dataset: DatasetDescriptor) -> DatasetName:
    """The dataset's id below the API's address, of which a login and a query are left out."""
    return DatasetName(namespace=without_secrets(url).rstrip("/"), name=dataset.dataset_id)
