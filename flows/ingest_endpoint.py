"""Flow: every enabled unit of an endpoint, a few at a time; one unit's failure does not keep the others back.

The units are carried out in the process of this flow run, where what is the same for all of them is read once, or by
the workers of the pool, on as many machines as there are workers: a flow run of the deployment ``ingest-unit`` each.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import as_completed
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner

from contracts.errors import IngestionError, RunError
from contracts.receipts import RunRef
from flows.execution.artifacts import key_of_words, show_table
from flows.execution.heartbeat import own_heartbeats
from flows.execution.outcome import to_flow_state
from flows.execution.run_workspace import run_workspace
from flows.execution.worker_runs import WorkerRuns
from flows.ingest_unit import ingest_unit
from flows.stages.retries import code_ends_endpoint, ends_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefect.futures import PrefectFuture

    from flows.execution.artifacts import RunLog
    from flows.execution.run_workspace import RunWorkspace

UNIT_ROWS = 1_000
"""Lines of the table of units."""
MOST_UNITS, MOST_ON_WORKERS = 16, 200
"""At the same time: in one process, whose memory and cores they share; and on workers, where each waits in a thread."""
COUNTED = ("mode", "strategy", "slices_planned", "rows_read", "seconds")
"""Of a unit's summary, what its line in the endpoint's table says."""

_by_workers: ContextVar[WorkerRuns | None] = ContextVar("worker_runs", default=None)


@task(name="run-unit", task_run_name="{unit_id}", cache_policy=NO_CACHE, persist_result=False)
def run_unit(endpoint_id: str, unit_id: str, sink_id: str, options: dict[str, Any]) -> dict[str, Any]:
    """One unit as a flow run of its own; its typed error as data, so that the other units continue."""
    workers = _by_workers.get()
    try:
        if workers is not None:
            return _run_by_a_worker(workers, RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=sink_id), options)
        summary = ingest_unit(endpoint_id, unit_id, sink_id, **options)
    except IngestionError as error:
        return {"unit_id": unit_id, "error": error.to_json(), "ends_endpoint": ends_endpoint(error)}
    return {"unit_id": unit_id, **{name: summary[name] for name in COUNTED}}


@flow(
    name="ingest-endpoint",
    flow_run_name="{endpoint_id} → {sink_id}",
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_ON_WORKERS),  # type: ignore[arg-type]  # its own annotation
)
def ingest_endpoint(
    endpoint_id: str,
    sink_id: str,
    mode: Literal["full", "incremental"] | None = None,
    staging_id: str | None = None,
    parallel_units: int = 2,
    carried_out_by: Literal["this_process", "workers"] = "this_process",
) -> Any:
    """Run every enabled unit of the endpoint's catalog.

    Args:
        endpoint_id: The source.
        sink_id: The endpoint that takes the rows.
        mode: full or incremental; each unit's own when empty.
        staging_id: A staging block; the default area when empty.
        parallel_units: Units at the same time, 1 to 16; 1 to 200 on workers.
        carried_out_by: The process of this flow run, or the workers of the pool with a flow run for each unit. This run
            takes a place in the pool as long as it waits for them.

    Returns:
        ``{units: [{unit_id, mode, strategy, slices_planned, rows_read, seconds}]}``.
        Fails, naming the units, when one of them did.
    """
    log = get_run_logger()

    def body() -> dict[str, Any]:
        by_workers = carried_out_by == "workers"
        most = MOST_ON_WORKERS if by_workers else MOST_UNITS
        with own_heartbeats(), run_workspace(of_many_units=not by_workers) as workspace:
            ids = [unit.unit_id for unit in workspace.list_units(endpoint_id)]
            disabled = {config.unit_id for config in workspace.units.list(endpoint_id) if not config.enabled}
            enabled = [name for name in ids if name not in disabled]
            log.info("%d of %d units of %s are enabled", len(enabled), len(ids), endpoint_id)
            options = {"mode": mode, "staging_id": staging_id}
            with _worker_runs(workspace, used=by_workers):
                results = [*_windowed(endpoint_id, enabled, sink_id, options, min(max(parallel_units, 1), most))]
        _show(endpoint_id, sink_id, enabled, results, log)
        _refuse_failures(endpoint_id, enabled, results)
        return {"units": results}

    return to_flow_state(body)


@contextmanager
def _worker_runs(workspace: RunWorkspace, *, used: bool) -> Iterator[None]:
    """Units are carried out by workers while the context is open, if that is wanted; whatever ends it ends them."""
    if not used:
        yield
        return
    begun = WorkerRuns(workspace.runs, flow_run.id, flow_run.run_count)
    token = _by_workers.set(begun)
    try:
        yield
    except BaseException:
        for missed in begun.cancel():
            get_run_logger().warning("Go on, and are to be cancelled by hand: flow run %s", missed)
        raise
    finally:
        _by_workers.reset(token)


def _run_by_a_worker(workers: WorkerRuns, ref: RunRef, options: dict[str, Any]) -> dict[str, Any]:
    ended = workers.run(ref, options)
    if ended.code:
        error = {"code": ended.code, "message": ended.message, "run_id": ended.run_id}
        return {"unit_id": ref.unit_id, "error": error, "ends_endpoint": code_ends_endpoint(ended.code)}
    with run_workspace() as workspace:
        stats = workspace.states.state(ref).stats
    return {"unit_id": ref.unit_id, **{name: stats.get(name) for name in COUNTED}}


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
