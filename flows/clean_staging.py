"""Flow: remove staged sessions that are past their time; scheduled, and never what a live run may still read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from prefect import flow, get_run_logger

from flows.execution.outcome import to_flow_state
from flows.wiring import Workspace, open_workspace
from staging.expiry import clean

if TYPE_CHECKING:
    from contracts.unit import UnitState


@flow(name="clean-staging", flow_run_name="clean staging")
def clean_staging(staging_id: str | None = None, ttl_s: float = 86_400.0, consumed_ttl_s: float | None = None) -> Any:
    """Clean one staging area.

    Args:
        staging_id: A staging block; the default area when empty.
        ttl_s: Seconds a session stays after its last write.
        consumed_ttl_s: The same for sessions that are in the sink; ``ttl_s`` when empty.

    Returns:
        ``staging.expiry.CleanReport`` as JSON.
    """
    log = get_run_logger()

    def body() -> dict[str, Any]:
        now = datetime.now(UTC)
        with open_workspace() as workspace:
            live = live_run_ids(workspace, now)
            report = clean(
                workspace.staging(staging_id), ttl_s=ttl_s, now=now, live_run_ids=live, consumed_ttl_s=consumed_ttl_s
            )
        log.info("%d session(s) removed, %d kept", report.removed_sessions, report.kept_sessions)
        for line in report.failures:
            log.warning("Not removed: %s", line)
        return report.model_dump(mode="json")

    return to_flow_state(body)


def live_run_ids(workspace: Workspace, now: datetime) -> frozenset[str]:
    """Runs that are running, and failed ones young enough to be resumed."""
    states = workspace.states.list()
    return frozenset(each.last_run_id for each in states if each.last_run_id and _may_go_on(workspace, each, now))


def _may_go_on(workspace: Workspace, state: UnitState, now: datetime) -> bool:
    if state.state != "FAILED" or state.last_run_at is None:
        return state.state in {"RUNNING", "PAUSED"}
    policy = workspace.units.config(state.endpoint_id, state.unit_id).policy
    return now - state.last_run_at < timedelta(seconds=policy.resume_within_s)
