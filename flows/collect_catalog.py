"""Flow: read an endpoint's catalog and keep it, with what changed since the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect import flow, get_run_logger

from flows.execution.artifacts import show_markdown
from flows.execution.outcome import to_flow_state
from flows.wiring import open_workspace

if TYPE_CHECKING:
    from contracts.catalog import CatalogDiff, CatalogSnapshot

MOST_LINES = 200


@flow(name="collect-catalog", flow_run_name="catalog of {endpoint_id}")
def collect_catalog(endpoint_id: str) -> Any:
    """Collect and save.

    Returns:
        ``{version, datasets, added, removed, changed}``: a fingerprint and counts.
    """
    log = get_run_logger()

    def body() -> dict[str, Any]:
        with open_workspace() as workspace:
            snapshot = workspace.source(endpoint_id).collect_catalog(endpoint_id)
            diff = workspace.catalogs.save(snapshot)
        show_markdown(f"catalog-{endpoint_id}", catalog_markdown(snapshot, diff), log)
        counts = {"added": len(diff.added), "removed": len(diff.removed), "changed": len(diff.changed)}
        log.info("%d datasets in %s: %s", len(snapshot.datasets), endpoint_id, counts)
        return {"version": snapshot.version, "datasets": len(snapshot.datasets), **counts}

    return to_flow_state(body)


def catalog_markdown(snapshot: CatalogSnapshot, diff: CatalogDiff) -> str:
    """What there is and what changed, names only."""
    lines = [f"- added `{name}`" for name in diff.added] + [f"- removed `{name}`" for name in diff.removed]
    lines += [f"- `{name}`: {'; '.join(changes)}" for name, changes in diff.changed.items()]
    more = [f"- … and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    head = f"# Catalog of {snapshot.endpoint_id}\n\n{len(snapshot.datasets)} datasets, version `{snapshot.version}`\n"
    return "\n".join([head, *(lines[:MOST_LINES] or ["Nothing changed."]), *more])
