"""Flow: read an endpoint's catalog and keep it, with what changed since the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect import flow, get_run_logger

from flows.execution.artifacts import show_table
from flows.execution.outcome import to_flow_state
from flows.knowledge_feed import save_catalog
from flows.prefect_api.collection_runs import COLLECT_FLOW, collection_name
from flows.wiring import open_workspace

if TYPE_CHECKING:
    from contracts.catalog import CatalogDiff, CatalogSnapshot

MOST_LINES = 500


@flow(name=COLLECT_FLOW, flow_run_name=collection_name("{endpoint_id}"))
def collect_catalog(endpoint_id: str) -> Any:
    """Collect and save.

    Returns:
        ``{version, datasets, added, removed, changed}``: a fingerprint and counts.
    """
    log = get_run_logger()

    def body() -> dict[str, Any]:
        with open_workspace() as workspace:
            snapshot = workspace.source(endpoint_id).collect_catalog(endpoint_id)
            diff = save_catalog(workspace, snapshot)
        rows = catalog_rows(snapshot, diff)
        show_table(f"catalog-{endpoint_id}", rows[:MOST_LINES], catalog_words(snapshot, diff, len(rows)), log)
        counts = {"added": len(diff.added), "removed": len(diff.removed), "changed": len(diff.changed)}
        log.info("%d datasets in %s: %s", len(snapshot.datasets), endpoint_id, counts)
        return {"version": snapshot.version, "datasets": len(snapshot.datasets), **counts}

    return to_flow_state(body)


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
    return f"Catalog of {snapshot.endpoint_id}: {len(snapshot.datasets)} datasets; {counts}.{more}"
