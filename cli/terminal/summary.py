"""A finished run and a finished comparison as people read them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cli.terminal.output import mib, table
from flows.stages.waits import waited

if TYPE_CHECKING:
    from rich.table import Table

    from contracts.model import Json
    from contracts.receipts import RunSummary
    from flows.stages.verify import VerifyReport


def summary_table(summary: RunSummary) -> Table:
    """One line per fact; what was done by an earlier process of the same run is counted in."""
    again = f", {summary.slices_done_before} written before this process" if summary.resumed else ""
    speed = f" ({summary.rows_read / summary.seconds:,.0f} rows/s)" if summary.seconds else ""
    stages = ", ".join(f"{name} {value:.2f}" for name, value in summary.seconds_by_stage.items())
    facts: list[tuple[str, object]] = [
        ("mode", f"{summary.mode}, {summary.slices_planned} slice(s){again}"),
        ("rows read", f"{summary.rows_read:,}{speed}"),
        ("rows inserted", f"{summary.rows_inserted:,}"),
        ("rows updated", f"{summary.rows_updated:,}"),
        ("rows unchanged", f"{summary.rows_unchanged:,}"),
        ("rows deleted", f"{summary.rows_deleted:,}"),
        *([("rows tombstoned", f"{summary.rows_tombstoned:,}")] if summary.rows_tombstoned else []),
        ("staged", mib(summary.bytes_staged)),
        (
            "seconds",
            f"{summary.seconds:.2f}" + (f" (by stage, summed over threads: {stages})" if stages else ""),
        ),
        *([("waited", waits)] if (waits := waited(summary)) else []),
        *_watermarks(summary),
        *(("gap", line) for line in summary.gaps),
        *(("note", line) for line in summary.notes),
    ]
    return table(f"{summary.ref}", ("", "succeeded"), facts)


def verify_words(report: VerifyReport) -> str:
    """One sentence for a comparison without differences."""
    return f"Verified: {report.rows_source:,} rows in {len(report.slices)} slice(s) are equal on both sides."


def verify_json(report: VerifyReport) -> dict[str, object]:
    """Shape: ``{equal, rows_source, rows_sink, slices: [{slice_key, range, source, sink}]}``."""
    return {
        "equal": not report.different,
        "rows_source": report.rows_source,
        "rows_sink": report.rows_sink,
        "slices": [each.model_dump(mode="json") for each in report.slices],
    }


def _watermarks(summary: RunSummary) -> list[tuple[str, object]]:
    if summary.checkpoint_after is None:
        return []
    return [("watermark", f"{_compact(summary.checkpoint_before)} -> {_compact(summary.checkpoint_after)}")]


def _compact(checkpoint: Json | None) -> str:
    return "nothing" if checkpoint is None else json.dumps(checkpoint, separators=(", ", ": "))
