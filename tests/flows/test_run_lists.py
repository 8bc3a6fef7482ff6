"""Short lists of runs, asked of a real Prefect server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from contracts.receipts import RunRef
from flows.prefect_api.run_lists import due_runs, failed_runs, latest_runs
from flows.prefect_api.runs import ACCEPTED

if TYPE_CHECKING:
    from flows.prefect_api.client import ControlPlane


def test_latest_failed_and_due(plane: ControlPlane) -> None:
    flow, began = plane.call("POST", "/flows/", {"name": "ingest-unit"})["id"], datetime.now(UTC)
    ref = RunRef(endpoint_id=f"listed-{uuid4().hex[:8]}", unit_id="public.a%_b", sink_id="lake")
    in_a_year = (began + timedelta(days=365)).isoformat()

    def add(state: dict[str, Any], of: RunRef = ref, **more: Any) -> str:
        body = {
            "flow_id": flow,
            "parameters": of.model_dump(),
            "state": state,
            "name": f"{of.endpoint_id}/{of.unit_id} → lake",
        }
        return str(plane.call("POST", "/flow_runs/", {**body, **more})["id"])

    def went(run_id: str, *states: str) -> str:
        for state in states:
            plane.call("POST", f"/flow_runs/{run_id}/set_state", {"state": {"type": state}, "force": True})
        return run_id

    other = ref.model_copy(update={"unit_id": "public.a%_bc"})
    done = went(add({"type": "PENDING"}), "RUNNING", "COMPLETED")
    failed = went(add({"type": "PENDING"}), "RUNNING", "FAILED")
    elsewhere = went(add({"type": "PENDING"}, other), "RUNNING", "CRASHED")
    due = add({"type": "SCHEDULED", "state_details": {"scheduled_time": in_a_year}})
    promised = add({"type": "SCHEDULED"}, tags=[ACCEPTED], name="brisk-owl")
    assert {each.run_id for each in latest_runs(plane, ref.endpoint_id, ref.unit_id, 10)} == {done, failed, promised}
    assert len(latest_runs(plane, ref.endpoint_id, ref.unit_id, 1)) == 1
    of_all = latest_runs(plane, ref.endpoint_id, None, 10)
    assert {each.run_id for each in of_all} == {done, failed, elsewhere, promised}
    lately = {each.run_id for each in failed_runs(plane, began - timedelta(minutes=5), 100)}
    assert {failed, elsewhere} <= lately
    assert done not in lately
    assert {failed, elsewhere} & {
        each.run_id for each in failed_runs(plane, datetime.now(UTC) + timedelta(hours=1), 100)
    } == set()
    planned = due_runs(plane, began + timedelta(days=364), 100)
    assert [each.run_id for each in planned if each.ref == ref] == [due]
    assert planned[0].due_at is not None
    for run_id in (due, promised):
        plane.call("DELETE", f"/flow_runs/{run_id}")
