"""Short lists of runs of units for people: the latest of a unit, what failed lately, what is due next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flows.prefect_api.runs import ACCEPTED, FLOW, read_run

if TYPE_CHECKING:
    from datetime import datetime

    from flows.prefect_api.client import ControlPlane
    from flows.prefect_api.runs import Run

_LATEST, _SOONEST = "EXPECTED_START_TIME_DESC", "EXPECTED_START_TIME_ASC"


def latest_runs(plane: ControlPlane, endpoint_id: str, unit_id: str | None, limit: int) -> list[Run]:
    """The latest runs of the unit (or of all units of the endpoint), the one that was to begin last first.

    What a schedule has planned and nobody has begun is not among them. Raises ControlPlaneError.
    """
    words = f"{endpoint_id}/" if unit_id is None else f"{endpoint_id}/{unit_id} → "
    begun = _find(plane, {"name": {"like_": words}, "start_time": {"is_null_": False}}, _LATEST, limit)
    promised = _find(plane, {"state": _types("SCHEDULED", "PENDING"), "tags": {"all_": [ACCEPTED]}}, _LATEST, limit)
    found = {run.run_id: run for run in (*promised, *begun) if _is_of(run, endpoint_id, unit_id)}
    return [*found.values()][:limit]


def failed_runs(plane: ControlPlane, since: datetime, limit: int) -> list[Run]:
    """Runs of units that ended badly since then, the one that was to begin last first; raises ControlPlaneError."""
    ended = {"end_time": {"after_": since.isoformat()}, "state": _types("FAILED", "CRASHED")}
    return _find(plane, ended, _LATEST, limit)


def due_runs(plane: ControlPlane, after: datetime, limit: int) -> list[Run]:
    """Runs that schedules have planned, the next one first; raises ControlPlaneError."""
    planned = {"state": _types("SCHEDULED"), "expected_start_time": {"after_": after.isoformat()}}
    return _find(plane, planned, _SOONEST, limit)


def _find(plane: ControlPlane, wanted: dict[str, Any], sort: str, limit: int) -> list[Run]:
    body = {"flow_runs": wanted, "flows": {"name": {"any_": [FLOW]}}, "sort": sort, "limit": limit}
    return [read_run(each) for each in plane.call("POST", "/flow_runs/filter", body) or ()]


def _types(*names: str) -> dict[str, Any]:
    return {"type": {"any_": [*names]}}


def _is_of(run: Run, endpoint_id: str, unit_id: str | None) -> bool:
    return run.ref is not None and run.ref.endpoint_id == endpoint_id and unit_id in {None, run.ref.unit_id}
