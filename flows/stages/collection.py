"""Collecting a catalog: the jobs that the source plans, each by itself, and one snapshot made of what they found.

A job that fails takes nothing away: the datasets that it covers stay as the snapshot before had them, and the snapshot
says so. So no unit vanishes because a part of its endpoint could not be read.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from contracts.catalog import CatalogSnapshot
from contracts.errors import CompletenessGapError, IngestionError
from contracts.metadata import WHOLE, SupportsMetadataPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.catalog import DatasetDescriptor
    from contracts.endpoint import SourceEndpoint
    from contracts.metadata import MetadataJob


class CollectedPart(NamedTuple):
    """How one job ended.

    Attributes:
        job: The job.
        snapshot: What it found; None when it failed.
        error: Why it failed.
    """

    job: MetadataJob
    snapshot: CatalogSnapshot | None = None
    error: IngestionError | None = None


def planned_jobs(source: SourceEndpoint) -> tuple[MetadataJob, ...]:
    """The jobs of a collection.

    Raises:
        ConfigInvalidError: The source's settings have to be corrected first.
        IngestionError: The source could not be asked.
    """
    if not isinstance(source, SupportsMetadataPlan):
        return (WHOLE,)
    source.validate_metadata_config()
    return source.plan_metadata_jobs()


def collected_part(source: SourceEndpoint, endpoint_id: str, job: MetadataJob) -> CollectedPart:
    """Carry out one job; a typed error is a part of the result, so that the others go on."""
    try:
        if isinstance(source, SupportsMetadataPlan):
            return CollectedPart(job, source.collect_metadata(endpoint_id, job))
        return CollectedPart(job, source.collect_catalog(endpoint_id))
    except IngestionError as error:
        return CollectedPart(job, error=error)


def snapshot_of(endpoint_id: str, parts: Sequence[CollectedPart], before: CatalogSnapshot | None) -> CatalogSnapshot:
    """One snapshot of all parts.

    Args:
        endpoint_id: The source.
        parts: One for each job.
        before: The snapshot before, from which the datasets of failed jobs are kept.

    Raises:
        IngestionError: Every job failed: the first one's error.
    """
    found = [part.snapshot for part in parts if part.snapshot is not None]
    failed = [(part.job, part.error) for part in parts if part.error is not None]
    if failed and not found:
        raise failed[0][1]
    datasets: dict[str, DatasetDescriptor] = {}
    left_out = []
    for job, error in failed:
        kept = [each for each in (before.datasets if before else ()) if job.covers(each.namespace)]
        datasets |= {each.dataset_id: each for each in kept}
        left_out.append(f"{job.title or job.job_id}: {error.code} {error.what}; {len(kept)} dataset(s) as before")
    for snapshot in found:
        datasets |= {each.dataset_id: each for each in snapshot.datasets}
    return CatalogSnapshot(
        endpoint_id=endpoint_id,
        collected_at=max((each.collected_at for each in found), default=datetime.now(UTC)),
        datasets=tuple(datasets[name] for name in sorted(datasets)),
        source_version=next((each.source_version for each in found if each.source_version), ""),
        left_out=tuple(left_out),
    )


def refuse_gaps_of(snapshot: CatalogSnapshot) -> None:
    """Say of a snapshot that was kept that it is not whole.

    Raises:
        CompletenessGapError: A part could not be collected.
    """
    if snapshot.left_out:
        raise CompletenessGapError(
            f"The catalog of {snapshot.endpoint_id} is kept, but a part could not be collected: "
            + "; ".join(snapshot.left_out),
            "Correct what is named and collect again; units of that part stay as they were.",
            left_out=list(snapshot.left_out),
        )
