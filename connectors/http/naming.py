"""What other programs call the datasets of an API: OpenLineage's conventions do not say, so its address comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from contracts.lineage import DatasetName

if TYPE_CHECKING:
    from contracts.catalog import DatasetDescriptor


def api_dataset_name(url: str, dataset: DatasetDescriptor) -> DatasetName:
    """The dataset's id below the API's address, of which a login and a query are left out."""
    parts = urlsplit(url)
    where = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    return DatasetName(namespace=where.geturl().rstrip("/"), name=dataset.dataset_id)
