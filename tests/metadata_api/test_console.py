"""The platform's console, with the documents that it has, against this API: each of them, with the inputs of its forms.

On the way, the same endpoints are asked and changed in this API's own names: a run of a process costs seconds.
"""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from graphql import build_schema, parse, print_ast, validate
from graphql.language import FragmentDefinitionNode, OperationDefinitionNode

from metadata_api.graphql_view import execute
from metadata_api.services import ApiServices
from sandbox.jira import JiraSite, SandboxJira
from tests.metadata_api.conftest import until, wait_for_end

if TYPE_CHECKING:
    from flows.wiring import Workspace
    from sandbox.postgres import SandboxPostgres
    from tests.flows.conftest import RegisteredPair
    from tests.metadata_api.conftest import Caller

HERE = Path(__file__).parent
DOCUMENT = parse((HERE / "console.graphql").read_text())
OPERATIONS = {node.name.value: node for node in DOCUMENT.definitions if isinstance(node, OperationDefinitionNode)}
FRAGMENTS = [node for node in DOCUMENT.definitions if isinstance(node, FragmentDefinitionNode)]


def text_of(name: str) -> str:
    """The document of one operation, as the console sends it."""
    operation = print_ast(OPERATIONS[name])
    needed = [each for each in FRAGMENTS if "...Config" in operation or f"...{each.name.value}" in operation]
    return "\n".join([operation, *map(print_ast, needed)])


UNITS = "query($e: ID!) { ingestionUnits(endpointId: $e) { unitId supportedDataModes cdmModelId } }"
OPTIONS = (
    "query($e: ID!) { jiraIngestionFilterOptions(endpointId: $e) { projectKeys { value } statuses { value } }"
    " confluenceIngestionFilterOptions(endpointId: $e) { spaceKeys { value } } }"
)
CONFIGURE = (
    "mutation($input: IngestionUnitConfigInput!) { configureIngestionUnit(input: $input)"
    " { mode runMode jiraFilter { projectKeys } confluenceFilter { spaceKeys } } }"
)
PROVISION = (
    "mutation($s: ID!, $m: String!) { provisionCdmSink(input: {sinkEndpointId: $s, cdmModelId: $m}) { labels } }"
)


class Console:
    """Sends its documents, and notes which it has sent."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.sent: set[str] = set()

    def __call__(self, operation: str, also: str = "", **variables: Any) -> Any:
        """The answer's one field, or all of them; ``also`` names fields of this API to be asked for beside ``id``."""
        self.sent.add(operation)
        data = self.caller.data(text_of(operation).replace("\n    id\n", f"\n    id {also}\n"), **variables)
        return next(iter(data.values())) if len(data) == 1 else data

    def unit(self, endpoint_id: str, unit_id: str) -> dict[str, dict[str, Any]]:
        """What the console knows of a unit: ``{unit, status, config}``."""
        lists = self("Units", endpointId=endpoint_id)
        names = {"unit": "ingestionUnits", "status": "ingestionStatuses", "config": "ingestionUnitConfigs"}
        return {name: next(each for each in lists[field] if each["unitId"] == unit_id) for name, field in names.items()}


@pytest.fixture
def console(caller: Caller) -> Console:
    return Console(caller)


def test_its_documents_are_the_platforms() -> None:
    contract = build_schema((HERE / "contract.graphql").read_text())
    assert [each.message for each in validate(contract, DOCUMENT)] == []


@pytest.mark.slow(40)
def test_from_registration_to_rows(console: Console, postgres: SandboxPostgres, database: str) -> None:
    name = f"Console {database.rpartition('/')[2]} {postgres.port}"
    sink_id = f"{name.lower().replace(' ', '-').replace('_', '-')}-tables"
    templates = {each["id"]: each for each in console("Templates")}
    fields = {each["key"]: each for each in templates["http.jira"]["fields"]}
    assert (fields["base_url"]["valueType"], fields["api_token"]["valueType"]) == ("URL", "PASSWORD")
    assert "ingest.incremental" in {each["key"] for each in templates["http.jira"]["capabilities"]}
    with SandboxJira(JiraSite(projects=("AND", "OPS"), issues=60)) as jira:
        login = {"base_url": jira.url, "email": jira.email, "api_token": jira.token, "cloud_id": ""}
        wrong = {**login, "api_token": "wrong"}
        tested = console("Test", input={"templateId": "http.jira", "type": "source", "connection": wrong})
        assert (tested["ok"], tested["diagnostics"][0]["code"]) == (False, "E_SOURCE_AUTH")
        asked = {"templateId": "jira.http", "type": "http", "connection": {"parameters": login}}
        assert console("Test", input=asked) == {"ok": True, "diagnostics": []}
        form = {"name": name, "verb": "GET", "url": jira.url, "labels": ["team:web"], "description": "Of the web team"}
        config = {"templateId": "jira.http", "parameters": login}
        site_id = console("Register", input={**form, "config": config, "capabilities": ["metadata"]})["id"]
        target = {"templateId": "cdm.jdbc", "parameters": {"url": database}}
        console("Register", input={"name": "Tables", "sourceId": sink_id, "verb": "POST", "config": target})
        _listed(console, site_id, sink_id, name, jira.url)
        _collected(console, site_id)
        _only_under_the_conditions(console.caller, site_id, sink_id)
        _moved(console, site_id, sink_id)
        assert jira.token not in str(console.caller.data("{ metadataEndpoints { id config } }"))
        assert console("Delete", id=sink_id) is True
        assert console.sent == OPERATIONS.keys()


def _listed(console: Console, site_id: str, sink_id: str, name: str, url: str) -> None:
    (site,) = console("Endpoints", search=name, first=200, projectSlug="global")
    assert (site["id"], site["name"], site["url"], site["isDeleted"]) == (site_id, name, url, False)
    assert (site["labels"], site["runs"]) == (["team:web"], [])
    assert [each["id"] for each in console("Endpoints", search="sink:cdm", first=1, after=f"{sink_id[:-1]}")] == [
        sink_id
    ]
    changed = console("Update", id=site_id, patch={"name": "Issues", "labels": ["team:ops"], "verb": "GET"})
    assert (changed["name"], changed["labels"], changed["description"]) == ("Issues", ["team:ops"], "Of the web team")


def _collected(console: Console, site_id: str) -> None:
    tested = console.caller.data("mutation($e: ID!) { testEndpoint(id: $e) { ok account } }", e=site_id)
    assert tested["testEndpoint"]["ok"]
    assert console.caller.data(UNITS, e=site_id) == {"ingestionUnits": []}
    started = console("Collect", "ok runId state", endpointId=site_id, filters=None, schemaOverride=[])
    assert started["status"] in {"QUEUED", "RUNNING"}
    assert started == {**started, "ok": True, "runId": started["id"], "state": "RUNNING"}

    def ended() -> Any:
        (site,) = [each for each in console("Endpoints", search=site_id) if each["id"] == site_id]
        (run,) = site["runs"]
        return run if run["status"] not in {"QUEUED", "RUNNING"} else None

    wait_for_end(started["id"])
    run = until(ended)
    assert (run["id"], run["status"], run["error"]) == (started["id"], "SUCCEEDED", None)
    units = {each["unitId"]: each for each in console.caller.data(UNITS, e=site_id)["ingestionUnits"]}
    issues, known = units["jira.issues"], console.unit(site_id, "jira.issues")
    assert [known[each]["sinkId"] for each in ("unit", "config", "status")] == [""] * 3
    assert (issues["supportedDataModes"], issues["cdmModelId"]) == (["raw", "cdm"], "cdm.work.item")
    page = console("Datasets", first=2, endpointId=site_id)
    rest = console("Datasets", first=500, endpointId=site_id, after=page["pageInfo"]["endCursor"])
    ids = [each["id"] for each in (*page["nodes"], *rest["nodes"])]
    assert (page["pageInfo"]["hasNextPage"], page["pageInfo"]["hasPreviousPage"]) == (True, False)
    assert (rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"]) == (False, True)
    assert (ids, page["totalCount"]) == (sorted(ids), len(ids))
    held = console("Dataset", id=f"{site_id}/jira.issues")
    assert held["lastCollectionRun"]["id"] == run["id"]
    assert (held["ingestionConfig"]["unitId"], held["sourceEndpoint"]["name"]) == ("jira.issues", "Issues")
    assert {"key", "summary"} <= {each["name"] for each in held["fields"]}
    shown = console("Preview", id=held["id"], limit=3)
    assert len(shown["rows"]) == 3
    assert shown["sampledAt"].startswith("20")
    assert console("CachedPreview", id=held["id"])["rows"][:3] == shown["rows"]


def _only_under_the_conditions(caller: Caller, site_id: str, sink_id: str) -> None:
    options = caller.data(OPTIONS, e=site_id)
    assert {each["value"] for each in options["jiraIngestionFilterOptions"]["projectKeys"]} == {"AND", "OPS"}
    assert options["confluenceIngestionFilterOptions"] == {"spaceKeys": []}
    wanted = {
        "endpointId": site_id, "unitId": "jira.issues", "sinkId": sink_id, "mode": "cdm", "runMode": "incremental",
        "jiraFilter": {"projectKeys": ["OPS"]},
    }  # fmt: skip
    assert caller.code(CONFIGURE, input=wanted) == "E_SINK_NOT_PROVISIONED"
    assert caller.code(PROVISION, s=sink_id, m="cdm.nothing") == "E_CDM_MODEL_UNSUPPORTED"
    made = caller.data(PROVISION, s=sink_id, m="cdm.work.item")["provisionCdmSink"]
    assert "cdm_model:cdm.work.item" in made["labels"]
    sinks = caller.data("{ ingestionSinks { id provisionedCdmModels } }")["ingestionSinks"]
    assert {"id": sink_id, "provisionedCdmModels": ["cdm.work.item"]} in sinks
    config = caller.data(CONFIGURE, input=wanted)["configureIngestionUnit"]
    assert config["jiraFilter"]["projectKeys"] == ["OPS"]
    assert (config["mode"], config["runMode"], config["confluenceFilter"]) == ("cdm", "incremental", None)
    wrong = {**wanted, "confluenceFilter": {"spaceKeys": ["X"]}}
    assert caller.code(CONFIGURE, input=wrong) == "E_FILTER_NOT_SUPPORTED"


def _moved(console: Console, site_id: str, sink_id: str) -> None:
    place = {"endpointId": site_id, "unitId": "jira.issues"}
    options = console("IssueOptions", endpointId=site_id)
    assert [each["key"] for each in options["projects"]] == ["AND", "OPS"]
    assert {"accountId", "displayName", "email"} == options["users"][0].keys()
    assert all(each["id"] != each["name"] and each["category"] for each in options["statuses"])
    assert console("PageOptions", endpointId=site_id) == {"spaces": []}
    known = console.unit(site_id, "jira.issues")
    assert (known["unit"]["defaultMode"], known["unit"]["supportedModes"]) == ("FULL", ["FULL", "INCREMENTAL"])
    assert [known[each]["sinkId"] for each in ("unit", "config", "status")] == [sink_id] * 3
    assert known["status"]["state"] == "IDLE"
    made = console("Provision", input={"sinkEndpointId": sink_id, "cdmModelId": "cdm.work.item"})
    assert made == {**made, "ok": True, "tableName": "cdm_item", "datasetId": f"{sink_id}/{made['schema']}.cdm_item"}
    form = {
        **place, "enabled": True, "runMode": "INCREMENTAL", "mode": "cdm", "sinkId": sink_id, "sinkEndpointId": sink_id,
        "scheduleKind": "MANUAL", "scheduleIntervalMinutes": None, "policy": None,
        "jiraFilter": {"projectKeys": ["OPS"], "statuses": [], "assigneeIds": [], "updatedFrom": "2020-01-01T00:00:00.000Z"},
        "confluenceFilter": {"spaceKeys": [], "updatedFrom": None},
    }  # fmt: skip
    saved = console("Configure", input=form)
    assert (saved["jiraFilter"]["projectKeys"], saved["confluenceFilter"]) == (["OPS"], None)
    assert saved["jiraFilter"]["updatedFrom"] == "2020-01-01T00:00:00.000Z"
    again = console("Configure", input={**form, "policy": saved["policy"], "sinkEndpointId": None})
    assert (again["sinkId"], again["policy"]) == (sink_id, saved["policy"])
    started = console("Start", **place)
    assert (started["ok"], started["state"]) == (True, "RUNNING")
    wait_for_end(started["runId"])
    status = until(lambda: _ended(console.unit(site_id, "jira.issues")["status"]))
    assert status["lastRunId"] == started["runId"]
    assert (status["state"], status["lastError"], status["sinkId"]) == ("SUCCEEDED", None, sink_id)
    assert 0 < status["stats"]["rows_inserted"] < 60
    assert status["checkpoint"]
    assert console("Pause", **place)["state"] == "PAUSED"
    assert console("Reset", **place, sinkId=sink_id)["ok"]
    assert console.unit(site_id, "jira.issues")["status"]["checkpoint"] is None


def _ended(status: dict[str, Any]) -> Any:
    return status if status["state"] in {"SUCCEEDED", "FAILED"} else None


@pytest.mark.slow(15)
def test_a_unit_without_a_sink_runs_into_the_default_one(
    pair: RegisteredPair, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = {"endpointId": pair.source_id, "unitId": "public.orders"}
    monkeypatch.setenv("NUCLEUS_DEFAULT_SINK", pair.sink_id)
    with closing(ApiServices.open()) as services:

        def ask(operation: str, **variables: Any) -> Any:
            body = json.dumps({"query": text_of(operation), "variables": variables}).encode()
            shown, _ = execute(services, "admin", body)
            assert "errors" not in shown, shown
            return shown["data"]

        form = {
            **place,
            "sinkId": "",
            "sinkEndpointId": None,
            "runMode": "FULL",
            "mode": "raw",
            "scheduleKind": "MANUAL",
        }
        assert ask("Configure", input=form)["configureIngestionUnit"]["sinkId"] == ""
        units = ask("Units", endpointId=pair.source_id)
        (unit,) = units["ingestionUnits"]
        assert unit["sinkId"] == pair.sink_id
        assert [each["sinkId"] for each in units["ingestionStatuses"]] == [pair.sink_id], "where it would run"
        run_id = ask("Start", **place)["startIngestion"]["runId"]
        until(lambda: workspace.runs.get(run_id).state == "COMPLETED")
        assert pair.same()
        (config,) = ask("Units", endpointId=pair.source_id)["ingestionUnitConfigs"]
        assert (config["sinkId"], config["lastStatus"]["lastRunId"]) == ("", run_id)
        every = {**form, "scheduleKind": "INTERVAL", "scheduleIntervalMinutes": 15}
        saved = ask("Configure", input=every)["configureIngestionUnit"]
        assert (saved["scheduleKind"], saved["sinkId"]) == ("interval", pair.sink_id), "a schedule needs one of its own"
        ask("Configure", input=form)


def test_errors_carry_the_platforms_code_too(caller: Caller, pair: RegisteredPair) -> None:
    (error,) = caller.ask(text_of("Start"), endpointId=pair.source_id, unitId="public.nothing")["errors"]
    codes = error["extensions"]["code"], error["extensions"]["platformCode"]
    assert codes == ("E_DATASET_NOT_IN_CATALOG", "E_INGESTION_UNIT_NOT_FOUND")
