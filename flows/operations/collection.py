"""Collecting catalogs, for whoever asks: the jobs that a source plans, the snapshot they make, and schedules."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from flows.knowledge_feed import save_catalog
from flows.operations.run_control import sync
from flows.prefect_api.schedules import prefect_schedule
from flows.stages.collection import CollectedPart, collected_part, planned_jobs, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from contracts.catalog import CatalogDiff, CatalogSnapshot
    from contracts.endpoint import SourceEndpoint
    from contracts.metadata import MetadataJob
    from flows.wiring import Workspace

    CarryOut = Callable[[SourceEndpoint, str, Sequence[MetadataJob]], list[CollectedPart]]

PARALLEL_JOBS = 4


def collect(
    workspace: Workspace, endpoint_id: str, carry_out: CarryOut | None = None
) -> tuple[CatalogSnapshot, CatalogDiff]:
    """Collect the endpoint's catalog, keep it, and tell the graph; the snapshot and what changed.

    Args:
        workspace: Endpoints and state.
        endpoint_id: The source.
        carry_out: Carries out the jobs; threads of this process when None.

    Returns:
        The snapshot names in ``left_out`` what could not be collected.

    Raises:
        IngestionError: Nothing could be collected, or the snapshot could not be kept.
    """
    source = workspace.source(endpoint_id)
    parts = (carry_out or in_threads)(source, endpoint_id, planned_jobs(source))
    snapshot = snapshot_of(endpoint_id, parts, workspace.catalogs.latest(endpoint_id))
    return snapshot, save_catalog(workspace, snapshot)


def in_threads(source: SourceEndpoint, endpoint_id: str, jobs: Sequence[MetadataJob]) -> list[CollectedPart]:
    """The jobs, four at a time."""
    with ThreadPoolExecutor(min(PARALLEL_JOBS, len(jobs))) as pool:
        return list(pool.map(lambda job: collected_part(source, endpoint_id, job), jobs))


def schedule_collection(workspace: Workspace, endpoint_id: str, schedule: str | None) -> None:
    """Collect the endpoint's catalog by itself, or on demand only when ``schedule`` is None.

    Raises:
        ConfigInvalidError: The schedule is none.
        EndpointUnknownError: There is no such endpoint.
        ControlPlaneError: Kept, but the server could not be told of it; set it again.
    """
    workspace.endpoints.template(endpoint_id)
    if schedule is None:
        workspace.collection_schedules.forget(endpoint_id)
    else:
        prefect_schedule(schedule)
        workspace.collection_schedules.set(endpoint_id, schedule)
    sync(workspace)
