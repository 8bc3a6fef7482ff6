"""How a source divides the collection of its metadata, so that nothing outside it has to know what kind it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from contracts.model import Contract

if TYPE_CHECKING:
    from contracts.catalog import CatalogSnapshot


class MetadataJob(Contract):
    """A part of an endpoint's metadata that is collected by itself."""

    job_id: str
    """Unique among the jobs of one collection."""
    title: str = ""
    """What it covers, for people: ``schema public``."""
    namespaces: tuple[str, ...] = ()
    """The namespaces of the datasets that it covers; those of all datasets when empty."""

    def covers(self, namespace: str) -> bool:
        """Whether datasets of the namespace are a part of this job."""
        return not self.namespaces or namespace in self.namespaces


WHOLE = MetadataJob(job_id="all", title="everything")
"""The one job of a collection that is not divided."""


@runtime_checkable
class SupportsMetadataPlan(Protocol):
    """The source says which jobs collect its catalog. Of any other source it is one job: ``collect_catalog``."""

    def validate_metadata_config(self) -> None:
        """Refuse settings with which a collection could only be empty or wrong.

        Raises:
            ConfigInvalidError: They have to be corrected first.
        """
        ...

    def plan_metadata_jobs(self) -> tuple[MetadataJob, ...]:
        """Jobs that cover every dataset together and none twice; asks the system for names at most.

        They may be carried out at the same time, in any order, and one without the others.
        """
        ...

    def collect_metadata(self, endpoint_id: str, job: MetadataJob) -> CatalogSnapshot:
        """The datasets that the job covers, ordered by dataset id."""
        ...


@runtime_checkable
class SupportsDatasetLookup(Protocol):
    """The source can describe one dataset without listing all others."""

    def look_up_dataset(self, endpoint_id: str, namespace: str, name: str) -> CatalogSnapshot:
        """A snapshot with the dataset of exactly these names only; without datasets where there is none to be read."""
        ...
