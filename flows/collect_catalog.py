"""Flow: read an endpoint's catalog and keep it, with what changed since the last one."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import wait
from prefect.task_runners import ThreadPoolTaskRunner

from flows.execution.artifacts import show_table
from flows.execution.outcome import to_flow_state
from flows.operations.collection import PARALLEL_JOBS, collect
from flows.prefect_api.collection_runs import COLLECT_FLOW, collection_name
from flows.stages.collection import collected_part, refuse_gaps_of
from flows.wiring import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from contracts.catalog import CatalogDiff, CatalogSnapshot
    from contracts.endpoint import SourceEndpoint
    from contracts.metadata import MetadataJob
    from flows.stages.collection import CollectedPart

MOST_LINES = 500
_carry_out: ContextVar[Callable[[int], None]] = ContextVar("carry_out")


@flow(
    name=COLLECT_FLOW,
    flow_run_name=collection_name("{endpoint_id}"),
    task_runner=ThreadPoolTaskRunner(max_workers=PARALLEL_JOBS),  # type: ignore[arg-type]  # its own annotation
)
def collect_catalog(endpoint_id: str) -> Any:
    """Carry out the jobs that the source plans, in parallel, and save one snapshot.

    Returns:
        ``{version, datasets, added, removed, changed}``: a fingerprint and counts.
        Fails, naming it, when a part could not be collected; what was collected is saved, and the datasets of that part
        stay as they were.
    """
    log = get_run_logger()

    def body() -> dict[str, Any]:
        with open_workspace() as workspace:
            snapshot, diff = collect(workspace, endpoint_id, _as_tasks)
        rows = catalog_rows(snapshot, diff)
        show_table(f"catalog-{endpoint_id}", rows[:MOST_LINES], catalog_words(snapshot, diff, len(rows)), log)
        counts = {"added": len(diff.added), "removed": len(diff.removed), "changed": len(diff.changed)}
        log.info("%d datasets in %s: %s", len(snapshot.datasets), endpoint_id, counts)
        refuse_gaps_of(snapshot)
        return {"version": snapshot.version, "datasets": len(snapshot.datasets), **counts}

    return to_flow_state(body)


@task(name="collect-metadata", task_run_name="{title}", cache_policy=NO_CACHE, persist_result=False)
def collect_metadata(title: str, number: int) -> None:  # noqa: ARG001 - the title is the task run's name
    """One job; what it found stays in this process (I5)."""
    _carry_out.get()(number)


def _as_tasks(source: SourceEndpoint, endpoint_id: str, jobs: Sequence[MetadataJob]) -> list[CollectedPart]:
    """A task run for each job, where there are several."""
    parts: dict[int, CollectedPart] = {}

    def carry_out(number: int) -> None:
        parts[number] = collected_part(source, endpoint_id, jobs[number])

    if len(jobs) == 1:
        carry_out(0)
    else:
        token = _carry_out.set(carry_out)
        try:
            wait([collect_metadata.submit(job.title or job.job_id, number) for number, job in enumerate(jobs)])
        finally:
            _carry_out.reset(token)
    return [parts[number] for number in range(len(jobs))]


def catalog_rows(snapshot: CatalogSnapshot, diff: CatalogDiff) -> list[dict[str, Any]]:
    """A line per dataset, what changed first; those that are gone stand at the end."""
    changes = {**dict.fromkeys(diff.added, "added"), **{name: "; ".join(lines) for name, lines in diff.changed.items()}}
    there = [
        {
            "dataset": each.dataset_id,
            "kind": each.kind,
            "columns": len(each.columns),
            "key": ", ".join(each.primary_key),
            "rows (about)": each.rows_estimate,
            "change": changes.get(each.dataset_id, ""),
        }
        for each in sorted(snapshot.datasets, key=lambda one: (one.dataset_id not in changes, one.dataset_id))
    ]
    return [*there, *({"dataset": name, "change": "removed"} for name in diff.removed)]


def catalog_words(snapshot: CatalogSnapshot, diff: CatalogDiff, lines: int) -> str:
    """What the table shows, in a sentence or two."""
    more = f" The first {MOST_LINES} lines are shown." if lines > MOST_LINES else ""
    counts = f"{len(diff.added)} added, {len(diff.removed)} removed, {len(diff.changed)} changed"
    left_out = "".join(f" Not collected: {line}." for line in snapshot.left_out)
    return f"Catalog of {snapshot.endpoint_id}: {len(snapshot.datasets)} datasets; {counts}.{more}{left_out}"
