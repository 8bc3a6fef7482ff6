"""What receivers of lineage events are told of runs, in what order, and that a run goes on without them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from contracts.errors import IngestionError
from contracts.receipts import RunSummary
from flows import lineage_feed
from flows.collect_catalog import collect_catalog
from flows.execution.unit_run import attach
from flows.ingest_endpoint import ingest_endpoint
from flows.ingest_unit import ingest_unit
from flows.operations.cdm import provision_cdm
from flows.stages.export import RunStopped, run_stopped_error
from flows.stages.run import SilentObserver
from flows.stages.slices import RunControl
from knowledge.lineage_events import lineage_run_id
from sandbox.jira import JiraSite, SandboxJira
from sandbox.lineage import SandboxLineage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.plan import IngestionSlice
    from contracts.receipts import StageReceipt
    from flows.wiring import Workspace
    from sandbox.postgres import SandboxPostgres
    from tests.flows.conftest import RegisteredPair

ONE = {"filter": [{"column": "id", "op": "gt", "value": 1}]}


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxLineage]:
    with SandboxLineage() as there:
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", there.url)
        lineage_feed.process_post.cache_clear()
        yield there
        assert there.refusals == []
    lineage_feed.process_post.cache_clear()


def told(there: SandboxLineage, pair: RegisteredPair) -> list[dict[str, Any]]:
    return there.of(f"{pair.source_id}.public.orders.{pair.sink_id}")


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["eventType"] for event in events]


def run(pair: RegisteredPair, **how: Any) -> RunSummary:
    return RunSummary.model_validate(ingest_unit(pair.source_id, "public.orders", pair.sink_id, **how))


def test_a_run_is_told_from_start_to_end(pair: RegisteredPair, listening: SandboxLineage) -> None:
    first = run(pair, policy=ONE)
    events = told(listening, pair)
    assert kinds(events) == ["START", "RUNNING", "COMPLETE"]
    flow_run_id = UUID(first.run_id)
    assert {event["run"]["runId"] for event in events} == {str(lineage_run_id(flow_run_id))}
    parent = events[0]["run"]["facets"]["parent"]
    assert (parent["run"]["runId"], parent["job"]["name"]) == (str(flow_run_id), "ingest-unit")
    (read,), (written,) = events[2]["inputs"], events[2]["outputs"]
    address = f"postgres://127.0.0.1:{pair.server.port}"
    assert (read["namespace"], read["name"]) == (address, f"{pair.source_database}.public.orders")
    assert (written["namespace"], written["name"]) == (address, f"{pair.sink_database}.public.orders")
    assert [field["type"] for field in read["facets"]["schema"]["fields"]] == [
        "bigint",
        "text",
        "timestamp with time zone",
    ]
    lineage = written["facets"]["columnLineage"]
    assert lineage["fields"].keys() == {"id", "note", "at"}
    (copied,) = lineage["fields"]["note"]["inputFields"]
    assert (copied["name"], copied["field"]) == (read["name"], "note")
    assert copied["transformations"][0]["subtype"] == "IDENTITY"
    assert [(each["field"], each["transformations"][0]["subtype"]) for each in lineage["dataset"]] == [("id", "FILTER")]
    statistics = written["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["size"]) == (first.rows_inserted, first.bytes_staged)
    assert read["inputFacets"]["dataQualityAssertions"]["assertions"][0]["success"] is True

    run(pair, policy=ONE)
    (again,) = told(listening, pair)[-1]["outputs"]
    assert again["outputFacets"]["outputStatistics"]["rowCount"] == 0
    assert "size" not in again["outputFacets"]["outputStatistics"], "what was not written has no size"


def test_a_run_that_fails_says_why(pair: RegisteredPair, listening: SandboxLineage) -> None:
    pair.source_sql("DROP TABLE public.orders")
    with pytest.raises(IngestionError) as failure:
        run(pair)
    events = told(listening, pair)
    assert kinds(events) == ["START", "FAIL"]
    assert events[1]["run"]["facets"]["errorMessage"]["message"].startswith(f"{failure.value.code}: ")
    assert events[1]["outputs"][0]["name"] == f"{pair.sink_database}.public.orders"


def test_a_run_that_is_stopped_or_dead_is_aborted(
    pair: RegisteredPair, listening: SandboxLineage, workspace: Workspace
) -> None:
    dead = UUID(int=5)
    workspace.states.running(pair.ref, dead.hex, dead)
    control = RunControl()

    class Stopping(SilentObserver):
        def staged(self, piece: IngestionSlice, receipt: StageReceipt) -> None:
            control.stop()

    with attach(Stopping(), control), pytest.raises(RunStopped):
        run(pair)
    events = told(listening, pair)
    assert kinds(events) == ["ABORT", "START", "RUNNING", "ABORT"]
    assert events[0]["run"]["runId"] == str(lineage_run_id(dead))
    assert [events[at]["run"]["facets"]["errorMessage"]["message"] for at in (0, 3)] == [str(run_stopped_error())] * 2


def test_a_common_column_leads_to_its_source(
    workspace: Workspace, postgres: SandboxPostgres, database: str, listening: SandboxLineage
) -> None:
    suffix = f"{database.rpartition('/')[2].replace('_', '-')}-{postgres.port}"
    site, sink = f"told-{suffix}", f"told-cdm-{suffix}"
    with SandboxJira(JiraSite(projects=("AND",), issues=5)) as jira:
        workspace.endpoints.add(site, "http.jira", {"base_url": jira.url, "email": jira.email, "api_token": jira.token})
        workspace.endpoints.add(sink, "cdm.jdbc", {"url": database})
        provision_cdm(workspace, sink, "cdm.work.item")
        collect_catalog(site)
        ingest_unit(site, "jira.issues", sink, data_mode="cdm")
        event = listening.of(f"{site}.jira.issues.{sink}")[-1]
        (read,), (written,) = event["inputs"], event["outputs"]
        assert (read["namespace"], read["name"]) == (jira.url, "jira.issues")
    assert written["name"].endswith(".cdm_work.cdm_item")
    fields = written["facets"]["columnLineage"]["fields"]
    made_of = {name: [each["field"] for each in field["inputFields"]] for name, field in fields.items()}
    assert made_of["assignee_cdm_id"] == ["assignee_id"]
    assert made_of["updated_at"] == ["updated"]
    assert "source_system" not in made_of, "a constant has no source"
    assert {each["name"] for each in written["facets"]["schema"]["fields"]} >= made_of.keys()


def test_a_receiver_that_refuses_fails_no_run(
    pair: RegisteredPair, listening: SandboxLineage, caplog: pytest.LogCaptureFixture
) -> None:
    listening.faults.fail_next.append((400, "/"))
    with caplog.at_level(logging.WARNING):
        run(pair)
    assert pair.same()
    assert told(listening, pair) == [], "after one that did not arrive, none is tried for a while"
    (said,) = [each.getMessage() for each in caplog.records if "3 of 3 lineage events" in each.getMessage()]
    assert said.endswith("HTTPError, status 400")


def test_settings_that_cannot_be_used_fail_no_run(
    pair: RegisteredPair, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "pigeon")
    lineage_feed.process_post.cache_clear()
    run(pair)
    assert "the settings of their receiver cannot be used" in caplog.text


def test_units_of_an_endpoint_name_the_run_that_began_them_all(pair: RegisteredPair, listening: SandboxLineage) -> None:
    ingest_endpoint(pair.source_id, pair.sink_id)
    lineage_feed.process_post().drain()
    events = told(listening, pair)
    assert kinds(events) == ["START", "RUNNING", "COMPLETE"]
    parent = events[-1]["run"]["facets"]["parent"]
    assert parent["root"]["job"]["name"] == "ingest-endpoint"
    assert parent["root"]["run"]["runId"] != parent["run"]["runId"]


def test_without_a_receiver_nothing_is_said(pair: RegisteredPair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage_feed, "_FILES", ())
    monkeypatch.setattr(lineage_feed.EventPost, "post", lambda *_: pytest.fail("an event was made"))
    run(pair)
