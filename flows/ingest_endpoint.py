"""Flow: every enabled unit of an endpoint, a few at a time; one unit's failure does not keep the others back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from contracts.errors import IngestionError, RunError
from flows.execution.artifacts import key_of_words, show_table
from flows.execution.heartbeat import own_heartbeats
from flows.execution.outcome import to_flow_state
from flows.execution.run_workspace import run_workspace
from flows.ingest_unit import ingest_unit
from flows.stages.retries import ends_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefect.futures import PrefectFuture

    from flows.execution.artifacts import RunLog

UNIT_ROWS = 1_000
"""Lines of the table of units."""
MOST_UNITS = 16
COUNTED = ("mode", "strategy", "slices_planned", "rows_read", "seconds")
"""Of a unit's summary, what its line in the endpoint's table says."""


@task(name="run-unit", task_run_name="{unit_id}", cache_policy=NO_CACHE, persist_result=False)
def run_unit(endpoint_id: str, unit_id: str, sink_id: str, options: dict[str, Any]) -> dict[str, Any]:
    """One unit as a flow run of its own; its typed error as data, so that the other units continue."""
    try:
        summary = ingest_unit(endpoint_id, unit_id, sink_id, **options)
    except IngestionError as error:
        return {"unit_id": unit_id, "error": error.to_json(), "ends_endpoint": ends_endpoint(error)}
    return {"unit_id": unit_id, **{name: summary[name] for name in COUNTED}}


@flow(
    name="ingest-endpoint",
    flow_run_name="{endpoint_id} → {sink_id}",
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_UNITS),  # type: ignore[arg-type]  # its own annotation
)
def ingest_endpoint(
    endpoint_id: str,
    sink_id: str,
    mode: Literal["full", "incremental"] | None = None,
    staging_id: str | None = None,
    parallel_units: int = 2,
) -> Any:
    """Run every enabled unit of the endpoint's catalog.

    Args:
        endpoint_id: The source.
        sink_id: The endpoint that takes the rows.
        mode: full or incremental; each unit's own when empty.
        staging_id: A staging block; the default area when empty.
        parallel_units: Units at the same time, 1 to 16.

    Returns:
        ``{units: [{unit_id, mode, strategy, slices_planned, rows_read, seconds}]}``.
        Fails, naming the units, when one of them did.
    """
    log = get_run_logger()

    def body() -> dict[str, Any]:
        with own_heartbeats(), run_workspace(of_many_units=True) as workspace:
            ids = [unit.unit_id for unit in workspace.list_units(endpoint_id)]
            disabled = {config.unit_id for config in workspace.units.list(endpoint_id) if not config.enabled}
            enabled = [name for name in ids if name not in disabled]
            log.info("%d of %d units of %s are enabled", len(enabled), len(ids), endpoint_id)
            options = {"mode": mode, "staging_id": staging_id}
            results = [*_windowed(endpoint_id, enabled, sink_id, options, min(max(parallel_units, 1), MOST_UNITS))]
        _show(endpoint_id, sink_id, enabled, results, log)
        _refuse_failures(endpoint_id, enabled, results)
        return {"units": results}

    return to_flow_state(body)


def _windowed(
    endpoint_id: str, units: list[str], sink_id: str, options: dict[str, Any], parallel: int
) -> Iterator[dict[str, Any]]:
    """Results as they come; no unit is begun after one that failed for a reason all share."""
    running: list[PrefectFuture[dict[str, Any]]] = []
    waiting, ending = iter(units), False
    while True:
        while not ending and len(running) < parallel and (unit_id := next(waiting, None)) is not None:
            running.append(run_unit.submit(endpoint_id, unit_id, sink_id, options))
        if not running:
            return
        done = next(as_completed(running))
        running.remove(done)
        result = done.result()
        ending = ending or result.get("ends_endpoint", False)
        yield result


def _show(endpoint_id: str, sink_id: str, enabled: list[str], results: list[dict[str, Any]], log: RunLog) -> None:
    """One table of all units; a unit that failed has its error's code, and one that was not begun is not in it."""
    lines = [
        {"unit": each["unit_id"], "ended": each["error"]["code"] if "error" in each else "SUCCEEDED"}
        | {name: each.get(name) for name in COUNTED}
        for each in sorted(results, key=lambda each: str(each["unit_id"]))
    ]
    said = f"{len(lines)} of {len(enabled)} enabled units of {endpoint_id} were run into {sink_id}."
    more = f" The first {UNIT_ROWS} are shown." if len(lines) > UNIT_ROWS else ""
    show_table(key_of_words("units", endpoint_id, sink_id), lines[:UNIT_ROWS], said + more, log)


def _refuse_failures(endpoint_id: str, enabled: list[str], results: list[dict[str, Any]]) -> None:
    failed = {result["unit_id"]: result["error"] for result in results if "error" in result}
    if not failed:
        return
    not_begun = sorted(set(enabled) - {result["unit_id"] for result in results})
    lines = "; ".join(f"{unit_id}: {error['code']} {error['message']}" for unit_id, error in failed.items())
    raise RunError(
        f"{len(failed)} of {len(enabled)} units of {endpoint_id} failed: {lines}"
        + (f"; not begun: {', '.join(not_begun)}" if not_begun else ""),
        "Correct what they name and run again: units that succeeded are cheap to run again.",
        failed=failed,
        not_begun=not_begun,
    )
