"""A run that works and that the server takes for dead, as it does with runs it heard nothing of while it was away."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from unittest.mock import Mock

from flows.operations.locks import is_locked
from flows.operations.statuses import state_of
from metadata_api.orphaned_runs import restart_orphaned_runs
from tests.flows.conftest import NAP
from tests.metadata_api.conftest import Caller, until
from tests.metadata_api.test_pausing import CONFIGURE, ROWS, START, STATUS

if TYPE_CHECKING:
    from flows.prefect_api.client import ControlPlane
    from flows.wiring import Workspace
    from tests.flows.conftest import RegisteredPair


def test_a_run_that_works_is_running_and_is_no_second_one(
    caller: Caller, pair: RegisteredPair, plane: ControlPlane, workspace: Workspace
) -> None:
    pair.source_sql(
        f"INSERT INTO orders SELECT g, repeat('x', 200) FROM generate_series(10000, {10_000 + ROWS}) g; ANALYZE"
    )
    policy = {"target_slice_bytes": 65_536, "parallel_slices": 1}
    config = {"endpointId": pair.source_id, "unitId": "public.orders", "sinkId": pair.sink_id, "policy": policy}
    caller.data(CONFIGURE, input=config)
    place = {"e": pair.source_id, "u": "public.orders", "s": pair.sink_id}
    run_id = caller.data(START, **place)["startIngestion"]["runId"]

    def has_begun() -> bool:
        there = pair.sink_sql("SELECT to_regclass('nucleus.receipts') IS NOT NULL") == "t"
        return there and int(pair.sink_sql("SELECT count(*) FROM nucleus.receipts")) >= 1

    def take_for_dead() -> None:
        """What the server's watch does."""
        crashed = {"type": "CRASHED", "message": "No heartbeat: the run's process is gone."}
        answer = plane.call("POST", f"/flow_runs/{run_id}/set_state", {"state": crashed})
        assert answer["status"] == "ACCEPT"

    until(has_begun)
    pair.sink_sql(NAP)
    take_for_dead()
    shown = caller.data(STATUS, e=pair.source_id, u="public.orders")["ingestionStatus"]
    assert (shown["state"], state_of(workspace, pair.ref).state) == ("RUNNING", "RUNNING")
    run = workspace.runs.get(run_id)
    assert run is not None
    assert is_locked(workspace, pair.ref)
    later = run.state_at + timedelta(seconds=60)
    runs = Mock(wraps=workspace.runs)  # other tests have runs on the same server
    runs.find.side_effect = lambda *args, **how: (
        each for each in workspace.runs.find(*args, **how) if each.run_id == run_id
    )
    assert restart_orphaned_runs(runs, partial(is_locked, workspace), Mock(), later) == []
    until(lambda: (seen := workspace.runs.get(run_id)) and seen.state == "RUNNING")
    take_for_dead()
    pair.sink_sql("DROP TRIGGER nap ON nucleus.receipts")
    ended = until(lambda: (seen := workspace.runs.get(run_id)) and seen.state == "COMPLETED" and seen)
    assert ended.processes == 1
    assert caller.data(STATUS, e=pair.source_id, u="public.orders")["ingestionStatus"]["state"] == "SUCCEEDED"
    assert pair.same()
