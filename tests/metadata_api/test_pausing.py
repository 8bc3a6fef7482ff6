"""Pausing a run that is at work on a worker, and letting it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contracts.errors import RunPausedError
from flows.ingest_unit import ingest_unit
from flows.operations.statuses import state_of
from tests.cli.command import fails, succeeds
from tests.flows.conftest import NAP
from tests.metadata_api.conftest import Caller, until

if TYPE_CHECKING:
    from flows.prefect_api.client import ControlPlane
    from flows.wiring import Workspace
    from tests.flows.conftest import RegisteredPair

ROWS = 6_000
_HEAD = "mutation($e: ID!, $u: ID!, $s: String)"
_CALL = "(endpointId: $e, unitId: $u, sinkId: $s) { ok runId state message }"
START = f"{_HEAD} {{ startIngestion{_CALL} }}"
PAUSE = f"{_HEAD} {{ pauseIngestion{_CALL} }}"
STATUS = "query($e: ID!, $u: ID!) { ingestionStatus(endpointId: $e, unitId: $u) { state stats lastError } }"
CONFIGURE = "mutation($input: IngestionUnitConfigInput!) { configureIngestionUnit(input: $input) { id } }"


def test_a_pause_and_a_suspension_finish_what_is_in_hand_and_redo_nothing(
    caller: Caller, pair: RegisteredPair, plane: ControlPlane, workspace: Workspace
) -> None:
    pair.source_sql(
        f"INSERT INTO orders SELECT g, repeat('x', 200) FROM generate_series(10000, {10_000 + ROWS}) g; ANALYZE"
    )
    place = {"e": pair.source_id, "u": "public.orders", "s": pair.sink_id}
    policy = {"target_slice_bytes": 65_536, "parallel_slices": 1}
    config = {"endpointId": pair.source_id, "unitId": "public.orders", "sinkId": pair.sink_id, "policy": policy}
    caller.data(CONFIGURE, input=config)

    def status() -> dict[str, Any]:
        return dict(caller.data(STATUS, e=pair.source_id, u="public.orders")["ingestionStatus"])

    def receipts() -> int:
        there = pair.sink_sql("SELECT to_regclass('nucleus.receipts') IS NOT NULL") == "t"
        return int(pair.sink_sql("SELECT count(*) FROM nucleus.receipts")) if there else 0

    started = caller.data(START, **place)["startIngestion"]
    assert caller.data(START, **place)["startIngestion"]["runId"] == started["runId"], "a second one is not started"
    until(lambda: receipts() >= 3)
    pair.sink_sql(NAP)
    assert status()["state"] == "RUNNING"
    assert caller.data(PAUSE, **place)["pauseIngestion"]["runId"] == started["runId"]
    until(lambda: status()["state"] == "PAUSED")
    ended = until(lambda: (run := workspace.runs.get(started["runId"])) and run.name == "Paused" and run)
    assert "E_RUN_PAUSED" in ended.message
    done = receipts()
    assert done >= 3

    again = caller.data(START, **place)["startIngestion"]
    assert again["runId"] != started["runId"]
    until(lambda: receipts() >= done + 3)
    suspended = {"type": "PAUSED", "name": "Suspended", "state_details": {"pause_reschedule": True}}
    answer = plane.call("POST", f"/flow_runs/{again['runId']}/set_state", {"state": suspended})
    assert answer["status"] == "ACCEPT", answer
    assert status()["state"] == "PAUSED"
    until(lambda: workspace.states.state(pair.ref).state == "PAUSED")
    pair.sink_sql("DROP TRIGGER nap ON nucleus.receipts")
    assert caller.data(START, **place)["startIngestion"]["runId"] == again["runId"]
    until(lambda: status()["state"] == "SUCCEEDED")
    stats = status()["stats"]
    assert (stats["resumed"], stats["slices_done_before"] >= done + 3) == (True, True)
    assert stats["slices_done"] == stats["slices_planned"] - stats["slices_done_before"]
    assert pair.same()


def test_a_run_that_waits_for_a_worker_is_cancelled(
    caller: Caller, pair: RegisteredPair, plane: ControlPlane, workspace: Workspace
) -> None:
    place = {"e": pair.source_id, "u": "public.orders", "s": pair.sink_id}
    plane.call("PATCH", "/work_pools/nucleus", {"is_paused": True})
    try:
        started = caller.data(START, **place)["startIngestion"]["runId"]
        assert caller.data(START, **place)["startIngestion"]["runId"] == started
        asked = "query($e: ID!) { ingestionStatuses(endpointId: $e) { unitId waiting } }"
        for name, said, shown in (
            ("Late", "", "Waiting for a place"),
            ("AwaitingTurn", "Waiting for run 7", "Waiting for run 7"),
        ):
            state = {"type": "SCHEDULED", "name": name, "message": said}
            plane.call("POST", f"/flow_runs/{started}/set_state", {"state": state, "force": True})
            one = caller.data(STATUS.replace("stats", "waiting"), e=pair.source_id, u="public.orders")[
                "ingestionStatus"
            ]
            (among_all,) = caller.data(asked, e=pair.source_id)["ingestionStatuses"]
            (by_command,) = succeeds("status", pair.source_id)["units"]
            found = [str(each["waiting"]) for each in (one, among_all, by_command)]
            assert [each[: len(shown)] for each in found] == [shown] * 3
        assert caller.data(PAUSE, **place)["pauseIngestion"]["state"] == "PAUSED"
        run = workspace.runs.get(started)
        assert run is not None
        assert run.state == "CANCELLED"
        refused = caller.post({"endpointId": pair.source_id, "unitId": "public.orders", "sinkId": pair.sink_id})
        assert (refused.status_code, refused.json()["code"]) == (409, "E_RUN_PAUSED")
        with pytest.raises(RunPausedError, match="its schedule is suspended"):
            ingest_unit(pair.source_id, "public.orders", pair.sink_id)
        shown = caller.data(STATUS, e=pair.source_id, u="public.orders")["ingestionStatus"]
        assert (shown["state"], state_of(workspace, pair.ref).state) == ("PAUSED", "PAUSED")
        assert "pause is over" in caller.data(START, **place)["startIngestion"]["message"]
        assert caller.data(START, **place)["startIngestion"]["message"] == "The unit runs"
        for used in (pair.source_id, pair.sink_id):
            assert caller.code("mutation($i: ID!) { deleteEndpoint(id: $i) }", i=used) == "E_ENDPOINT_IN_USE"
        fails("E_ENDPOINT_IN_USE", "endpoint", "remove", pair.sink_id)
    finally:
        plane.call("PATCH", "/work_pools/nucleus", {"is_paused": False})
