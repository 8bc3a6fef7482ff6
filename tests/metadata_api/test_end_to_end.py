"""As a user would: server, worker and API run; a signed webhook goes in, rows arrive, the callback comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import yaml
from prefect.events import DeploymentTriggerTypes
from pydantic import TypeAdapter

from tests.architecture.rooms import ROOT
from tests.flows.conftest import ROWS
from tests.metadata_api.conftest import Caller, until
from tests.metadata_api.receiver import Receiver

if TYPE_CHECKING:
    from flows.prefect_api.client import ControlPlane
    from flows.wiring import Workspace
    from tests.flows.conftest import RegisteredPair


def request(pair: RegisteredPair, **more: Any) -> dict[str, Any]:
    return {"endpointId": pair.source_id, "unitId": "public.orders", "sinkId": pair.sink_id, **more}


def test_a_webhook_moves_rows_and_calls_back(caller: Caller, pair: RegisteredPair, plane: ControlPlane) -> None:
    with Receiver(503) as receiver:
        body = request(pair, callbackUrl=f"{receiver.url}/done?token=canary", idempotencyKey=pair.source_id)
        answer = caller.post(body)
        assert answer.status_code == 202, answer.text
        run_id = answer.json()["runId"]
        assert answer.json()["state"] == "SCHEDULED"
        assert answer.json()["link"].endswith(f"/runs/flow-run/{run_id}")
        again = caller.post(body, key="second", at=None)
        assert (again.status_code, again.json()["runId"]) == (202, run_id)
        until(lambda: len(receiver.calls) == 2)
    first, call = receiver.calls
    assert call.signed_by == "first"
    assert first.headers["nucleus-delivery"] == call.headers["nucleus-delivery"]
    told = call.data
    assert (told["runId"], told["state"], told["error"]) == (run_id, "SUCCEEDED", None)
    assert (told["endpointId"], told["unitId"], told["sinkId"]) == (pair.source_id, "public.orders", pair.sink_id)
    assert told["stats"]["rows_inserted"] == ROWS
    assert pair.same()
    runs = plane.call("POST", "/flow_runs/filter", {"flow_runs": {"id": {"any_": [run_id]}}})
    assert len(runs) == 1
    assert pair.server.password not in str(runs) + call.body.decode()
    assert call.path == "/done?token=canary"
    assert (runs[0]["labels"]["nucleus.callback.host"], "canary" in str(runs)) == ("127.0.0.1", False)
    query = "query($d: ID!) { lineage(datasetId: $d) { nodes { nodeType title properties } } }"
    known = caller.data(query, d=f"{pair.source_id}/public.orders")["lineage"]["nodes"]
    assert known == [], "its catalog was put there by the test, past what tells the graph"
    ran = caller.data("query($s: String!) { kbNodes(nodeType: RUN, search: $s) { properties } }", s=pair.source_id)
    assert [each["properties"]["rows_inserted"] for each in ran["kbNodes"]] == [ROWS]
    names = {each["event"] for each in events(plane, run_id)}
    assert {"nucleus.ingestion.started", "nucleus.ingestion.ended"} <= names


def events(plane: ControlPlane, run_id: str) -> list[dict[str, Any]]:
    resource = {"id": [f"prefect.flow-run.{run_id}"]}
    body = {"filter": {"any_resource": resource, "event": {"prefix": ["nucleus."]}}, "limit": 50}
    return list(until(lambda: len(found := plane.call("POST", "/events/filter", body)["events"]) >= 2 and found))


def test_the_automation_of_prefect_yaml_chains_on_the_end_of_a_run(
    caller: Caller, pair: RegisteredPair, plane: ControlPlane, workspace: Workspace
) -> None:
    pair.source_sql(
        "CREATE TABLE public.order_lines (id bigint PRIMARY KEY); INSERT INTO public.order_lines VALUES (1), (2)"
    )
    workspace.catalogs.save(workspace.source(pair.source_id).collect_catalog(pair.source_id))
    (written,) = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"][0]["triggers"]
    mine = yaml.safe_load(yaml.dump(written).replace("shop", pair.source_id).replace("lake", pair.sink_id))
    trigger = TypeAdapter(DeploymentTriggerTypes).validate_python({**mine, "name": pair.source_id, "enabled": True})
    trigger.set_deployment_id(UUID(plane.call("GET", "/deployments/name/ingest-unit/ingest-unit")["id"]))
    made = plane.call("POST", "/automations/", trigger.as_automation().model_dump(mode="json"))
    try:
        caller.post(request(pair))
        until(lambda: pair.sink_sql("SELECT to_regclass('public.order_lines') IS NOT NULL") == "t")
        until(lambda: pair.sink_sql("SELECT count(*) FROM public.order_lines") == "2")
    finally:
        plane.call("DELETE", f"/automations/{made['id']}")


def test_a_failed_run_is_retried_as_the_ui_does_and_told_again(
    caller: Caller, pair: RegisteredPair, plane: ControlPlane, workspace: Workspace
) -> None:
    pair.sink_sql("CREATE TABLE public.orders (id bigint PRIMARY KEY, note int, at timestamptz)")
    with Receiver() as receiver:
        run_id = caller.post(request(pair, callbackUrl=receiver.url)).json()["runId"]
        until(lambda: receiver.calls)
        told = receiver.calls[0].data
        assert (told["state"], told["error"]["code"]) == ("FAILED", "E_SINK_SCHEMA_CONFLICT")
        assert set(told["error"]) == {"code", "message", "retryable", "hint"}
        pair.sink_sql("DROP TABLE public.orders")
        plane.call("POST", f"/flow_runs/{run_id}/set_state", {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}})
        until(lambda: len(receiver.calls) == 2)
    assert [call.data["state"] for call in receiver.calls] == ["FAILED", "SUCCEEDED"]
    assert receiver.calls[1].data["runId"] == run_id
    assert pair.same()
