"""Runs of units, what is due next, and plans, as the API shows them."""
# ruff: noqa: D101 - the description is what clients read

from datetime import datetime
from typing import TYPE_CHECKING, Any

import strawberry

from contracts.plan import IngestionPlan
from flows.prefect_api.runs import Run, link_to
from metadata_api.results import unit_state
from metadata_api.run_reports import RunReport, SliceStanding
from metadata_api.schema.types import ErrorDetail, IngestionState

if TYPE_CHECKING:
    JSON = Any
else:
    from strawberry.scalars import JSON

MOST_SLICES = 500
"""Shown of one plan or run."""


@strawberry.type(description="One run of a unit; state in the words of units, prefectState in those of Prefect.")
class IngestionRun:
    id: strawberry.ID
    endpoint_id: strawberry.ID
    unit_id: strawberry.ID
    sink_id: str
    state: IngestionState
    prefect_state: str
    message: str
    due_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    link: str


@strawberry.type(description="One slice of a run: rows is null while it is not in the sink.")
class IngestionRunSlice:
    key: str
    sequence: int
    planned_rows: float | None
    rows: float | None
    gaps: list[str]


@strawberry.type(
    description="A run and how far it has come. slices, at most 500, are empty when the sink knows a later run already."
)
class IngestionRunDetail(IngestionRun):
    mode: str | None
    strategy: str | None
    slices_planned: int
    slices_done: int
    rows: JSON
    slices: list[IngestionRunSlice]
    gaps: list[str]
    notes: list[str]
    progress: str | None
    stats: JSON | None
    checkpoint: JSON | None
    error: ErrorDetail | None
    staged_in: str | None


@strawberry.type(description="A run that a schedule will start.")
class ScheduledIngestion:
    run_id: strawberry.ID
    endpoint_id: strawberry.ID
    unit_id: strawberry.ID
    sink_id: str
    due_at: datetime


@strawberry.type(
    description="One slice that a run would read; expectedRows is guaranteed by the source, the rest estimated."
)
class PlannedSlice:
    key: str
    sequence: int
    expected_rows: float | None
    estimated_rows: float | None
    estimated_bytes: float | None
    explain: str


@strawberry.type(description="What a run would read now, and why it is divided so; slices are the first 500.")
class UnitPlan:
    endpoint_id: strawberry.ID
    unit_id: strawberry.ID
    mode: str
    strategy: str
    reason: str
    notes: list[str]
    census: bool
    slice_count: int
    slices: list[PlannedSlice]


def shown_run(run: Run, api_url: str) -> IngestionRun:
    """A flow run of a unit."""
    return IngestionRun(**_values(run, api_url))


def shown_detail(
    run: Run, api_url: str, result: dict[str, Any], report: RunReport | None, **also: Any
) -> IngestionRunDetail:
    """A flow run with what its sink and its result say; ``also`` has ``progress`` and ``staged_in``."""
    error = result["error"]
    slices = () if report is None else report.slices
    return IngestionRunDetail(
        **_values(run, api_url),
        mode=report and report.mode,
        strategy=report and report.strategy,
        slices_planned=len(slices),
        slices_done=0 if report is None else report.done,
        rows={} if report is None else dict(report.written),
        slices=[_slice(each) for each in slices[:MOST_SLICES]],
        gaps=[f"{each.key}: {line}" for each in slices for line in each.gaps][:MOST_SLICES],
        notes=[] if report is None else [*report.notes],
        stats=result["stats"],
        checkpoint=result["checkpoint"],
        error=None if error is None else ErrorDetail(**error),
        **also,
    )


def shown_due(run: Run) -> ScheduledIngestion | None:
    """A planned run; None when it does not say what it runs."""
    if run.ref is None or run.due_at is None:
        return None
    ref = run.ref
    return ScheduledIngestion(
        run_id=strawberry.ID(run.run_id),
        endpoint_id=strawberry.ID(ref.endpoint_id),
        unit_id=strawberry.ID(ref.unit_id),
        sink_id=ref.sink_id,
        due_at=run.due_at,
    )


def shown_plan(plan: IngestionPlan) -> UnitPlan:
    """A plan without its parameters, which only the source understands."""
    slices = [
        PlannedSlice(
            key=each.key,
            sequence=each.sequence,
            expected_rows=each.expected_rows,
            estimated_rows=each.estimated_rows,
            estimated_bytes=each.estimated_bytes,
            explain=str(each.params.get("explain", "")),
        )
        for each in plan.slices[:MOST_SLICES]
    ]
    return UnitPlan(
        endpoint_id=strawberry.ID(plan.endpoint_id),
        unit_id=strawberry.ID(plan.unit.unit_id),
        mode=plan.mode,
        strategy=plan.strategy,
        reason=plan.reason,
        notes=[*plan.notes],
        census=plan.census,
        slice_count=len(plan.slices),
        slices=slices,
    )


def _values(run: Run, api_url: str) -> dict[str, Any]:
    ref = run.ref
    return {
        "id": strawberry.ID(run.run_id),
        "endpoint_id": strawberry.ID("" if ref is None else ref.endpoint_id),
        "unit_id": strawberry.ID("" if ref is None else ref.unit_id),
        "sink_id": "" if ref is None else ref.sink_id,
        "state": IngestionState(unit_state(run)),
        "prefect_state": run.name or run.state,
        "message": run.message,
        "due_at": run.due_at,
        "started_at": run.began_at,
        "ended_at": run.ended_at,
        "link": link_to(api_url, run.run_id),
    }


def _slice(held: SliceStanding) -> IngestionRunSlice:
    return IngestionRunSlice(
        key=held.key, sequence=held.sequence, planned_rows=held.planned_rows, rows=held.rows, gaps=[*held.gaps]
    )
