"""Flow: tidy the tables of sinks that are files; scheduled, and safe beside runs."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger

from contracts.errors import RunError
from flows.execution.artifacts import key_of_words, show_table
from flows.execution.outcome import to_flow_state
from flows.operations.upkeep import tidied_tables
from flows.wiring import open_workspace

SHOWN = 1_000


@flow(name="compact-tables", flow_run_name="compact tables")
def compact_tables(endpoint_id: str | None = None, sink_id: str | None = None) -> Any:
    """Write small files as large ones, remove what old versions and cut-off runs left, as each sink's settings say.

    Args:
        endpoint_id: Only tables of this source's units; of all sources when empty.
        sink_id: Only tables in this sink; in all sinks of files when empty.

    Returns:
        ``{tables, lines}``: tables looked at, and things that were done to them.
        Fails, naming the tables, when one of them could not be tidied.
    """
    log = get_run_logger()

    def body() -> dict[str, Any]:
        with open_workspace() as workspace:
            found = list(tidied_tables(workspace, endpoint_id, sink_id))
        failed = {str(each.ref): each.error.to_json() for each in found if each.error is not None}
        rows = [
            {"unit": f"{each.ref.endpoint_id}/{each.ref.unit_id}", "sink": each.ref.sink_id, "done": line}
            for each in found
            for line in each.lines
        ]
        log.info("%d table(s) looked at, %d thing(s) done", len(found), len(rows))
        if rows:
            show_table(key_of_words("compacted", sink_id or "all"), rows[:SHOWN], "What the tables' upkeep did.", log)
        if failed:
            lines = "; ".join(f"{name}: {error['code']} {error['message']}" for name, error in failed.items())
            raise RunError(
                f"{len(failed)} of {len(found)} tables could not be compacted: {lines}",
                "Correct what they name; the others are done. The next scheduled run tries again.",
                failed=failed,
            )
        return {"tables": len(found), "lines": len(rows)}

    return to_flow_state(body)
