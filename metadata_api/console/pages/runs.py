"""A run: slices done of those planned, rows, gaps; afterwards what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metadata_api.console.charts import plan_bars
from metadata_api.console.client import POLL_S, OperationRefusedError

if TYPE_CHECKING:
    from starlette.responses import Response

    from metadata_api.console.visits import Visit


def run(visit: Visit) -> Response:
    """The whole page."""
    return visit.page("run.html", **_run(visit))


def run_live(visit: Visit) -> Response:
    """The living part; the page stops asking when the run has ended."""
    return visit.page("run_live.html", **_run(visit))


def _run(visit: Visit) -> dict[str, Any]:
    run_id = visit.path["run_id"]
    found = visit.client.ask("Run", keep_s=POLL_S, id=run_id)["ingestionRun"]
    if found is None:
        raise OperationRefusedError(
            "There is no such run", "E_NOT_FOUND", "Prefect may have forgotten it; the unit's page lists its runs.",
            retryable=False,
        )  # fmt: skip
    expected = [each["plannedRows"] for each in found["slices"] if each["plannedRows"] is not None]
    return {
        "run": found,
        "chart": plan_bars(found["slices"]),
        "expected": sum(expected) if expected else None,
        "is_over": found["state"] in {"SUCCEEDED", "FAILED"} or found["prefectState"] == "Paused",
    }
