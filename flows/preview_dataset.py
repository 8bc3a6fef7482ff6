"""Flow: the first rows of a unit, for people. The one flow whose artifact holds rows, at most fifty."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger

from flows.execution.artifacts import show_table
from flows.execution.outcome import to_flow_state
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
        import polars as pl  # noqa: PLC0415 - needed by this flow alone

        with open_workspace() as workspace:
            unit = workspace.unit(endpoint_id, unit_id)
            batch = workspace.source(endpoint_id).preview(unit, max(0, min(limit, MOST_ROWS)))
        frame = pl.DataFrame(batch)
        rows = [{name: shown(value) for name, value in row.items()} for row in frame.rows(named=True)]
        show_table("preview", rows, f"The first {len(rows)} rows of {endpoint_id}/{unit_id}; no order is promised", log)
        return {"rows": frame.height, "columns": frame.width}

    return to_flow_state(body)


def shown(value: object) -> str | int | float | bool | None:
    """A value as a table cell: short, and JSON."""
    if value is None or isinstance(value, bool | int):
        return value
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
