"""What other programs call the datasets of a run, so that their lineage and ours meet in one catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import urlsplit

from contracts.model import Contract

if TYPE_CHECKING:
    from contracts.catalog import DatasetDescriptor
    from contracts.plan import IngestionPlan


class DatasetName(Contract):
    """A dataset's name after OpenLineage's naming conventions (``spec/Naming.md``). It holds no secret."""

    namespace: str
    """Where it is, for example ``postgres://db.example.com:5432``."""
    name: str
    """What it is called there, for example ``shop.public.orders``."""


def without_secrets(url: str) -> str:
    """The URL without its login, query and fragment: what a namespace may show of it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


@runtime_checkable
class SupportsDatasetName(Protocol):
    """The source knows what other programs call its datasets. Others are named after the endpoint's id."""

    def dataset_name(self, dataset: DatasetDescriptor) -> DatasetName:
        """The dataset's name; asks nothing of the system."""
        ...


@runtime_checkable
class SupportsTargetName(Protocol):
    """The sink knows what other programs call its targets. Others are named after the endpoint's id."""

    def target_name(self, plan: IngestionPlan) -> DatasetName:
        """The name of what the plan's rows go to; the plan may be without slices. Asks nothing of the system."""
        ...
