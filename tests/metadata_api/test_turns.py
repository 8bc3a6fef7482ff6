"""Runs of one unit take turns: what was accepted runs after the run before it, or is folded into one that began later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from flows.ingest_unit import ingest_unit
from flows.prefect_api.runs import AWAITING_TURN, FOLDED, FOLDED_INTO
from tests.flows.conftest import ROWS
from tests.metadata_api.conftest import Caller, until
from tests.metadata_api.receiver import Receiver

if TYPE_CHECKING:
    from flows.prefect_api.client import ControlPlane
    from flows.prefect_api.runs import Run
    from flows.wiring import Workspace
    from tests.flows.conftest import RegisteredPair

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

START = "mutation($e: ID!, $u: ID!, $s: String) { startIngestion(endpointId: $e, unitId: $u, sinkId: $s) { runId } }"


def test_runs_that_meet_another_wait_and_are_served_or_run(
    caller: Caller, pair: RegisteredPair, workspace: Workspace, plane: ControlPlane
) -> None:
    body = {"endpointId": pair.source_id, "unitId": "public.orders", "sinkId": pair.sink_id}
    deployment = plane.call("GET", "/deployments/name/ingest-unit/ingest-unit")["id"]

    def run(run_id: str, *names: str) -> Run | None:
        found = workspace.runs.get(run_id)
        return found if found is not None and found.name in names else None

    def settled(run_id: str, *names: str) -> Run:
        found: Run = until(lambda: run(run_id, *names), 120)
        return found

    with Receiver() as receiver:
        with workspace.sink(pair.sink_id).exclusive(pair.ref):
            served = caller.post({**body, "callbackUrl": f"{receiver.url}/served"}).json()["runId"]
            cancelled = caller.post({**body, "callbackUrl": f"{receiver.url}/cancelled"}).json()["runId"]
            from_ui = plane.call(
                "POST",
                f"/deployments/{deployment}/create_flow_run",
                {"parameters": {**pair.ref.model_dump(), "mode": "full"}},
            )["id"]
            waiting: dict[str, str] = {}

            def all_wait() -> bool:
                """Each was put back, and now looks again in an hour: what ends its wait is the run before it."""
                for each in {served, cancelled, from_ui} - waiting.keys():
                    if found := run(each, AWAITING_TURN):
                        waiting[each] = found.message
                        workspace.runs.put_back(found, "later", datetime.now(UTC) + timedelta(hours=1))
                    assert not run(each, "Failed")
                return len(waiting) == 3

            until(all_wait, 120)
            assert waiting[served].startswith("Waiting for another run ("), waiting[served]
            place: dict[str, Any] = {"e": pair.source_id, "u": "public.orders", "s": pair.sink_id}
            assert caller.data(START, **place)["startIngestion"]["runId"] in {served, cancelled}, "it does the same"
            plane.call("POST", f"/flow_runs/{cancelled}/set_state", {"state": {"type": "CANCELLING"}})
            assert settled(cancelled, "Cancelled", "Cancelling").name == "Cancelled"
            assert not run(served, FOLDED)
        pair.source_sql("INSERT INTO public.orders VALUES (1000000, 'after the requests')")
        ingest_unit(pair.source_id, "public.orders", pair.sink_id)
        served_by = workspace.states.state(pair.ref).flow_run_id
        folded = settled(served, FOLDED, "Completed")
        assert (folded.name, folded.labels.get(FOLDED_INTO)) == (FOLDED, served_by)
        assert settled(from_ui, "Completed", "Failed").name == "Completed", "it is not the same, and runs itself"
        until(lambda: len(receiver.calls) == 2, 60)
    told = {call.data["runId"]: call.data for call in receiver.calls}
    assert (told[cancelled]["state"], told[cancelled]["error"]["code"]) == ("FAILED", "E_RUN_STOPPED")
    assert told[cancelled]["stats"] is None
    assert (told[served]["state"], told[served]["foldedInto"]) == ("SUCCEEDED", served_by)
    assert told[served]["stats"] is None or told[served]["stats"]["rows_inserted"] == ROWS + 1
    assert pair.same()
