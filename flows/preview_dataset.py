"""Flow: the first rows of a unit, for people. The one flow whose artifact holds rows, at most fifty."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger

from flows.execution.artifacts import show_table
from flows.execution.outcome import to_flow_state
from flows.operations.cells import json_rows
from flows.wiring import open_workspace

MOST_ROWS = 50
MOST_CHARACTERS = 200


@flow(name="preview-dataset", flow_run_name="preview of {endpoint_id}/{unit_id}")
def preview_dataset(endpoint_id: str, unit_id: str, limit: int = 20) -> Any:
    """Show rows as a table artifact.

    Args:
        endpoint_id: The source.
        unit_id: A unit of its catalog.
        limit: Rows to show, at most 50.

    Returns:
        ``{rows, columns}``: counts only.
    """
    log = get_run_logger()

    def body() -> dict[str, Any]:
        with open_workspace() as workspace:
            unit = workspace.unit(endpoint_id, unit_id)
            batch = workspace.source(endpoint_id).preview(unit, max(0, min(limit, MOST_ROWS)))
        columns, rows = json_rows(batch, MOST_CHARACTERS)
        show_table("preview", rows, f"The first {len(rows)} rows of {endpoint_id}/{unit_id}; no order is promised", log)
        return {"rows": len(rows), "columns": len(columns)}

    return to_flow_state(body)
