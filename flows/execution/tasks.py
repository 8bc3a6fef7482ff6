"""The stages as Prefect tasks. Only handles, slices, small strings and counters go in and out (I5).

Plan, census and finish are called in the flow's own process, by the flow run's id; the two tasks of a slice may run
anywhere. Nothing is cached or persisted by Prefect: the sink's receipts decide what has to be done again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE

from contracts.endpoint import SupportsDeleteDetection
from contracts.errors import IngestionError
from contracts.model import Contract
from contracts.plan import IngestionSlice
from contracts.receipts import RunHandle, RunSummary, StageReceipt, UpsertReceipt
from flows.execution.live import WORKSPACE_ID, LiveRun, SlicePlace, by_token, find_run, opened_as
from flows.execution.policies import AGAIN, hold_back, may_retry
from flows.stages.plan import OpenRun, open_run
from flows.stages.run import late_slices, summarise
from flows.stages.stage import stage_slice
from flows.stages.upsert import refuse_gaps, take_census, upsert_slice

if TYPE_CHECKING:
    from collections.abc import Callable

ResultT = TypeVar("ResultT")

_QUIET: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False}
_TRIED_AGAIN: dict[str, Any] = {
    **_QUIET,
    "retries": AGAIN.retries,
    "retry_delay_seconds": list(AGAIN.delays_s),
    "retry_jitter_factor": AGAIN.jitter,
    "retry_condition_fn": may_retry,
}


class PlanFacts(Contract):
    """What became of the plan, in counters."""

    run: RunHandle
    mode: str
    strategy: str
    reason: str
    slices: int
    slices_done: int
    provisioned: int
    """Statements that were run to make the sink's table fit."""


@task(name="plan", task_run_name="plan", **_TRIED_AGAIN)
def plan_run(token: str) -> PlanFacts:
    """Continue the unfinished run or plan anew, and take the epoch."""
    live = by_token(token)
    started = time.monotonic()
    if live.request is None:
        raise ValueError("the run has no request")
    request = live.request
    opened: OpenRun = _held_back(live, lambda: open_run(live.source, live.sink, request, live.place.view))
    live.seconds["plan"] += time.monotonic() - started
    opened_as(token, opened)
    plan = opened.plan
    return PlanFacts(
        run=opened.run,
        mode=plan.mode,
        strategy=plan.strategy,
        reason=plan.reason,
        slices=len(plan.slices),
        slices_done=opened.slices_done,
        provisioned=len(opened.provisioned),
    )


@task(name="export-and-stage", task_run_name="stage {piece.sequence}", **_TRIED_AGAIN)
def export_and_stage(run: RunHandle, piece: IngestionSlice, place: SlicePlace) -> StageReceipt:
    """Stages 2 and 3 of one slice; every try stages under a name of its own."""
    live = find_run(run, place)
    plan = _opened(live).plan

    def once() -> StageReceipt:
        return stage_slice(
            live.source, live.staging, run, plan, piece, place.view, workspace_id=WORKSPACE_ID, stop=live.stop
        )

    return _held_back(live, once)


@task(name="map-and-upsert", task_run_name="upsert {piece.sequence}", **_TRIED_AGAIN)
def map_and_upsert(run: RunHandle, piece: IngestionSlice, staged: StageReceipt, place: SlicePlace) -> UpsertReceipt:
    """Stages 4 and 5 of one slice; a slice that has its receipt is not written again."""
    live = find_run(run, place)
    plan, began_at = _opened(live).plan, _opened(live).started_at
    return _held_back(
        live, lambda: upsert_slice(live.sink, live.staging, run, plan, piece, staged, live.mapper, began_at=began_at)
    )


@task(name="census", task_run_name="census", **_TRIED_AGAIN)
def census(token: str) -> tuple[int, int]:
    """Treat rows that are gone at the source and repair keys that are missing; (rows gone, rows repaired)."""
    live = by_token(token)
    started = time.monotonic()
    repaired = _held_back(live, lambda: _census(live))
    live.seconds["census"] += time.monotonic() - started
    return (live.census.rows_gone if live.census else 0), repaired


@task(name="finish", task_run_name="finish", **_QUIET)
def finish(token: str, seconds: float) -> RunSummary:
    """Refuse what is not complete; note the end in the sink; count. ``seconds`` is what the run took so far."""
    live = by_token(token)
    opened = _opened(live)
    lines = refuse_gaps(opened.plan, live.receipts)
    checkpoint = live.source.checkpoint(opened.plan, live.receipts)
    live.sink.finish_run(opened.run, checkpoint)
    return summarise(opened, live.receipts, live.census, checkpoint, live.seconds, seconds, lines)


def _census(live: LiveRun) -> int:
    opened = _opened(live)
    live.receipts += [_repair(live, opened, piece) for piece in late_slices(live.source, opened)]
    live.census, missing = take_census(
        live.source,
        live.sink,
        live.staging,
        opened.run,
        opened.plan,
        live.receipts,
        live.place.view,
        workspace_id=WORKSPACE_ID,
        stop=live.stop,
    )
    if not missing or not isinstance(live.source, SupportsDeleteDetection):
        return 0
    repairs = live.source.repair_slices(opened.plan, missing, opened.run.epoch)
    receipts = [_repair(live, opened, piece) for piece in repairs]
    live.receipts += receipts
    return sum(receipt.rows_staged for receipt in receipts)


def _repair(live: LiveRun, opened: OpenRun, piece: IngestionSlice) -> UpsertReceipt:
    """Both steps of a repair slice, here: the keys in it are too many for a task's input."""
    staged = stage_slice(
        live.source,
        live.staging,
        opened.run,
        opened.plan,
        piece,
        live.place.view,
        workspace_id=WORKSPACE_ID,
        stop=live.stop,
    )
    began_at = opened.started_at
    return upsert_slice(live.sink, live.staging, opened.run, opened.plan, piece, staged, live.mapper, began_at=began_at)


def _opened(live: LiveRun) -> OpenRun:
    if live.opened is None:
        raise ValueError("the run holds no epoch yet")
    return live.opened


def _held_back(live: LiveRun, work: Callable[[], ResultT]) -> ResultT:
    try:
        return work()
    except IngestionError as error:
        hold_back(error, live.stop)
        raise
