"""Operations over HTTP in this API's own names, against a real Postgres and Prefect; test_console.py has the others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from contracts.errors import EndpointUnknownError
from flows.operations.cells import texts
from flows.preview_dataset import preview_dataset
from tests.metadata_api.conftest import TOKENS, Caller

if TYPE_CHECKING:
    from flows.prefect_api.client import ControlPlane
    from flows.wiring import Workspace
    from tests.flows.conftest import RegisteredPair

REGISTER = (
    "mutation($id: ID!, $template: String!, $config: JSON!) {"
    " registerEndpoint(input: {id: $id, templateId: $template, config: $config}) { id enabled config } }"
)
CONFIGURE = (
    "mutation($input: IngestionUnitConfigInput!) { configureIngestionUnit(input: $input) { id enabled runMode mode sinkId"
    " sinkEndpointId scheduleKind scheduleIntervalMinutes scheduleCron policy lastStatus { state }"
    " jiraFilter { projectKeys statuses assigneeIds updatedFrom } confluenceFilter { spaceKeys } } }"
)
START = "mutation($e: ID!, $u: ID!, $s: String) { startIngestion(endpointId: $e, unitId: $u, sinkId: $s) { ok runId state } }"


def test_metadata(caller: Caller, pair: RegisteredPair) -> None:
    templates = caller.data(
        '{ metadataEndpointTemplates(family: "jdbc") { id family fields { name secret default } } }'
    )
    assert {each["family"] for each in templates["metadataEndpointTemplates"]} == {"jdbc"}
    assert caller.data("{ endpointTemplates { id } }")["endpointTemplates"]
    query = (
        "query($e: ID!, $s: String, $l: [String!]) { catalogDatasets(endpointId: $e, search: $s, labels: $l) { id } }"
    )
    key = f"{pair.source_id}/public.orders"
    assert caller.data(query, e=pair.source_id, s="ORDERS")["catalogDatasets"] == [{"id": key}]
    assert caller.data(query, e=pair.source_id, s="nothing")["catalogDatasets"] == []
    assert caller.data(query, e=pair.source_id, l=["none"])["catalogDatasets"] == []
    one = caller.data("query($i: ID!) { metadataDataset(id: $i) { columns { name } } }", i=key)
    assert [each["name"] for each in one["metadataDataset"]["columns"]] == ["id", "note", "at"]
    preview = "mutation($i: ID!, $n: Int) { previewMetadataDataset(id: $i, limit: $n) { columns rows } }"
    shown = caller.data(preview, i=key, n=3)["previewMetadataDataset"]
    assert (shown["columns"], len(shown["rows"])) == (["id", "note", "at"], 3)
    assert caller.code(preview, i=key, n=0) == "E_REQUEST_INVALID"
    assert caller.data('{ metadataEndpoint(id: "nobody") { id } }')["metadataEndpoint"] is None
    assert pair.server.password not in str(caller.data("{ metadataEndpoints { id config } }"))


def test_what_a_browser_and_python_cannot_hold_is_shown_as_text(
    caller: Caller, pair: RegisteredPair, workspace: Workspace, plane: ControlPlane
) -> None:
    pair.source_sql(
        "CREATE TABLE public.odd (id bigint PRIMARY KEY, day date, at timestamptz, yes bool, raw bytea);"
        "INSERT INTO public.odd VALUES (9007199254740991, 'infinity', '-infinity', true, '\\xff00'),"
        "(9007199254740992, '0044-03-15 BC', '294000-01-01', NULL, NULL),"
        "(-9007199254740993, '10000-01-01', 'infinity', false, '')"
    )
    workspace.catalogs.save(workspace.source(pair.source_id).collect_catalog(pair.source_id))
    preview = "mutation($i: ID!) { previewMetadataDataset(id: $i) { rows } }"
    shown = caller.data(preview, i=f"{pair.source_id}/public.odd")["previewMetadataDataset"]["rows"]
    assert sorted(shown, key=lambda row: int(row["id"])) == [
        {"id": "-9007199254740993", "day": "10000-01-01", "at": "infinity", "yes": False, "raw": ""},
        {"id": 9007199254740991, "day": "infinity", "at": "-infinity", "yes": True, "raw": "ff00"},
        {"id": "9007199254740992", "day": "-043-03-15", "at": "294000-01-01 00:00:00+00", "yes": None, "raw": None},
    ]
    assert preview_dataset(pair.source_id, "public.odd") == {"rows": 3, "columns": 5}
    assert json.loads(plane.call("GET", "/artifacts/preview/latest")["data"]) == shown
    _, rows = texts(workspace.source(pair.source_id).preview(workspace.unit(pair.source_id, "public.odd"), 3))
    in_the_command = [tuple(None if cell is None else str(cell) for cell in row.values()) for row in shown]
    assert [tuple(cell and cell.lower() for cell in row) for row in in_the_command] == rows
    policy = {"filter": [{"column": "id", "op": "ge", "value": 9007199254740993}]}
    wanted = {"endpointId": pair.source_id, "unitId": "public.odd", "policy": policy}
    (held,) = caller.data(CONFIGURE, input=wanted)["configureIngestionUnit"]["policy"]["filter"]
    assert held["value"] == "9007199254740993"


def test_an_endpoint_from_beginning_to_end(
    caller: Caller, pair: RegisteredPair, workspace: Workspace, database: str
) -> None:
    name = f"made-{pair.source_id}"
    made = caller.data(REGISTER, id=name, template="jdbc.postgres", config={"url": database})["registerEndpoint"]
    assert (made["config"]["url"], made["config"]["password"]) == (None, "********")
    assert caller.code(REGISTER, id=name, template="jdbc.postgres", config={"url": database}) == "E_CONFIG_INVALID"
    assert (
        caller.code(REGISTER, id="Not An Id", template="jdbc.postgres", config={"url": database}) == "E_CONFIG_INVALID"
    )
    assert caller.code(REGISTER, id="other", template="no.such", config={}) == "E_ENDPOINT_UNKNOWN"
    assert caller.code(REGISTER, id="other", template="jdbc.postgres", config=[1]) == "E_REQUEST_INVALID"
    update = "mutation($i: UpdateEndpointInput!) { updateEndpoint(input: $i) { enabled config } }"
    off = caller.data(update, i={"id": name, "enabled": False})["updateEndpoint"]
    assert (off["enabled"], off["config"]["password"]) == (False, "********")
    body = {"endpointId": name, "unitId": "public.orders", "sinkId": pair.sink_id}
    assert caller.post(body).json()["code"] == "E_ENDPOINT_DISABLED"
    assert caller.code(update, i={"id": name, "config": {"password": "********"}}) == "E_CONFIG_INVALID"
    before = workspace.endpoints.get(name)[1]
    caller.data(update, i={"id": name, "config": {"connect_timeout_s": 7}})
    for elsewhere in ({"host": "elsewhere.invalid"}, {"url": "postgresql://elsewhere.invalid/shop"}, {"port": None}):
        refused = caller.ask(update, i={"id": name, "config": elsewhere})["errors"][0]
        assert "password" in refused["extensions"]["hint"], refused
    assert workspace.endpoints.get(name)[1] == before.model_copy(update={"connect_timeout_s": 7})
    assert caller.data("mutation($i: ID!) { deleteEndpoint(id: $i) }", i=name) == {"deleteEndpoint": True}
    assert caller.data("mutation($i: ID!) { deleteEndpoint(id: $i) }", i=name) == {"deleteEndpoint": False}
    with pytest.raises(EndpointUnknownError):
        workspace.endpoints.get(name)


def test_units_and_schedules(caller: Caller, pair: RegisteredPair, workspace: Workspace, plane: ControlPlane) -> None:
    place = {"endpointId": pair.source_id, "unitId": "public.orders"}

    def schedules() -> list[dict[str, Any]]:
        deployment = plane.call("GET", "/deployments/name/ingest-unit/ingest-unit")["id"]
        found = plane.call("GET", f"/deployments/{deployment}/schedules")
        return [each["schedule"] for each in found if each["parameters"].get("endpoint_id") == pair.source_id]

    changes = {**place, "sinkId": pair.sink_id, "scheduleKind": "interval", "scheduleIntervalMinutes": 90}
    config = caller.data(CONFIGURE, input=changes)["configureIngestionUnit"]
    assert (config["scheduleKind"], config["scheduleIntervalMinutes"]) == ("interval", 90)
    assert [each["interval"] for each in schedules()] == [5400]
    caller.data(CONFIGURE, input={**place, "scheduleKind": "cron", "scheduleCron": "5 4 * * *"})
    assert [each["cron"] for each in schedules()] == ["5 4 * * *"]
    pause = "mutation($e: ID!, $u: ID!) { pauseIngestion(endpointId: $e, unitId: $u) { ok runId state } }"
    paused = caller.data(pause, e=pair.source_id, u="public.orders")["pauseIngestion"]
    assert paused == {"ok": True, "runId": None, "state": "PAUSED"}
    assert schedules() == []
    for wrong, code in (
        ({"scheduleKind": "cron", "scheduleCron": "x"}, "E_CONFIG_INVALID"),
        ({"scheduleKind": "sometimes"}, "E_REQUEST_INVALID"),
        ({"runMode": "SOMETIMES"}, "E_CONFIG_INVALID"),
        ({"mode": "cdm"}, "E_CDM_MODEL_UNSUPPORTED"),
        ({"policy": {"nothing": 1}}, "E_CONFIG_INVALID"),
        ({"jiraFilter": {"projectKeys": ["A"]}}, "E_FILTER_NOT_SUPPORTED"),
        ({"sinkId": "nowhere"}, "E_ENDPOINT_UNKNOWN"),
        ({"unitId": "public.nothing"}, "E_DATASET_NOT_IN_CATALOG"),
    ):
        assert caller.code(CONFIGURE, input={**place, **wrong}) == code, wrong
    caller.data(CONFIGURE, input={**place, "scheduleKind": "manual", "policy": {"parallel_slices": 3}})
    assert workspace.units.config(pair.source_id, "public.orders").policy.parallel_slices == 3
    listed = (
        "query($e: ID!) { ingestionUnitConfigs(endpointId: $e) { unitId policy scheduleKind lastStatus { state } } }"
    )
    assert caller.data(listed, e=pair.source_id)["ingestionUnitConfigs"] == [
        {
            "unitId": "public.orders",
            "policy": {"parallel_slices": 3},
            "scheduleKind": "manual",
            "lastStatus": {"state": "PAUSED"},
        }
    ]


def test_watermarks(caller: Caller, pair: RegisteredPair, workspace: Workspace) -> None:
    place = {"e": pair.source_id, "u": "public.orders", "s": pair.sink_id}
    head = "mutation($e: ID!, $u: ID!, $s: String"
    move = f"{head}, $w: String) {{ updateIngestionWatermark(endpointId: $e, unitId: $u, sinkId: $s, watermark: $w) {{ ok }} }}"
    reset = f"{head}) {{ resetIngestionCheckpoint(endpointId: $e, unitId: $u, sinkId: $s) {{ ok message }} }}"

    def held() -> Any:
        found = workspace.checkpoints(workspace.vendor(pair.source_id)).load(pair.ref)
        return None if found is None else found.cursor

    assert caller.code(move, w="5", **place) == "E_CURSOR_UNSUPPORTED", "the unit has no cursor yet"
    policy = {"cursor_columns": ["at"]}
    caller.data(CONFIGURE, input={"endpointId": pair.source_id, "unitId": "public.orders", "policy": policy})
    assert caller.code(move, w="no moment", **place) == "E_CURSOR_UNSUPPORTED"
    caller.data(move, w="2026-01-01T00:00:00Z", **place)
    assert held()["settled"].startswith("2026-01-01 00:00:00")
    whole = {**held(), "settled": "2026-02-01 00:00:00+00"}
    caller.data(move, w=json.dumps(whole), **place)
    assert held() == whole
    with workspace.sink(pair.sink_id).exclusive(pair.ref):
        assert caller.code(reset, **place) == "E_RUN_IN_PROGRESS"
    assert caller.data(reset, **place)["resetIngestionCheckpoint"] == {"ok": True, "message": "Forgotten"}
    assert held() is None


def test_a_state_that_outlived_its_run_is_not_believed(
    caller: Caller, pair: RegisteredPair, workspace: Workspace
) -> None:
    every = "query($e: ID!) { ingestionStatuses(endpointId: $e) { unitId state lastErrorDetail { code } } }"
    workspace.states.running(pair.ref, "killed")
    (told,) = caller.data(every, e=pair.source_id)["ingestionStatuses"]
    assert (told["state"], told["lastErrorDetail"]) == ("FAILED", {"code": "E_RUN_STOPPED"})
    assert caller.code(every, e="nobody") == "E_ENDPOINT_UNKNOWN"


def test_roles_and_limits(caller: Caller, pair: RegisteredPair) -> None:
    sinks = "{ ingestionSinks { id } }"
    assert "errors" not in caller.ask(sinks, role="viewer")
    refused = caller.ask(START, role="viewer", e=pair.source_id, u="public.orders")
    assert refused["errors"][0]["extensions"]["code"] == "E_FORBIDDEN"
    assert caller.ask(sinks, role="nobody")["errors"][0]["extensions"]["code"] == "E_TOKEN"
    deep = "{ __schema { types {" + " fields { type {" * 6 + " name" + " } }" * 6 + " } } }"
    many = "{ " + " ".join(f"a{i}: ingestionSinks {{ id }}" for i in range(40)) + " }"
    long = "{ " + "ingestionSinks { id } " * 1_000 + " }"
    several = "query A { ingestionSinks { id } } query B { ingestionSinks { id } }"
    for query in (deep, many, long, several, "{ nothing }", "{"):
        assert caller.code(query) == "E_GRAPHQL"
    headers = {"authorization": f"Bearer {TOKENS['admin']}", "content-type": "application/json"}
    assert caller.client.post("/graphql", content=b"x" * 300_000, headers=headers).status_code == 413
    for name, status in {"B": 200, "C": 400}.items():
        named = caller.client.post("/graphql", json={"query": several, "operationName": name}, headers=headers)
        assert named.status_code == status, named.text
