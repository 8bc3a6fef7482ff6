"""Every page of the operator's console with data and without, and every action, over an API in memory."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from graphql import parse, validate

from contracts.unit import UnitConfig, UnitPolicy
from flows.blocks.endpoints import EndpointEntry
from flows.prefect_api.runs import link_to
from metadata_api.console.client import ConsoleClient, OperationRefusedError, SharedAnswers
from metadata_api.console.documents import DOCUMENTS
from metadata_api.console.unit_form import settings_input
from metadata_api.schema.build import SCHEMA
from tests.metadata_api.conftest import until
from tests.metadata_api.console_world import (
    ISSUES,
    REF,
    SECRET,
    UNIT,
    CommonTables,
    ConsoleWorkspace,
    HeadlessBrowser,
    refused_login,
    services_of,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLACE = {"endpoint": "shop", "unit": UNIT}
SITE = {"endpoint": "site", "unit": ISSUES}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[ConsoleWorkspace]:
    made = ConsoleWorkspace(tmp_path)
    yield made
    made.close()


@pytest.fixture
def browser(workspace: ConsoleWorkspace) -> HeadlessBrowser:
    return HeadlessBrowser(services_of(workspace)).sign_in()


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[HeadlessBrowser]:
    """Somebody at an installation with nothing in it."""
    made = ConsoleWorkspace(tmp_path, empty=True)
    yield HeadlessBrowser(services_of(made)).sign_in()
    made.close()


def test_every_operation_is_one_of_the_schema() -> None:
    for name, document in DOCUMENTS.items():
        assert [each.message for each in validate(SCHEMA._schema, parse(document))] == [], name


class TestEmpty:
    """Pages say what to do first."""

    def test_overview(self, newcomer: HeadlessBrowser) -> None:
        shown = newcomer.get("")
        assert "No endpoint is registered yet" in words_of(shown)
        assert 'href="/console/add?role=source"' in shown.text
        assert "No unit has a schedule" in words_of(shown)

    def test_data_and_lineage(self, newcomer: HeadlessBrowser) -> None:
        assert "Nothing has landed yet" in words_of(newcomer.get("/data"))
        assert "No catalog was collected yet" in words_of(newcomer.get("/lineage"))
        assert "Nothing is known of this dataset" in words_of(newcomer.get("/lineage", dataset="shop/public.none"))

    def test_an_endpoint_without_a_catalog(self, browser: HeadlessBrowser, workspace: ConsoleWorkspace) -> None:
        workspace.catalogs.remove("site")
        assert "it was not collected yet" in words_of(browser.get("/endpoints/site"))
        assert "new" in re.findall(r"badge (\w+)", browser.get("").text)

    def test_what_is_not_there_is_said(self, browser: HeadlessBrowser) -> None:
        for path, query, code in (
            ("/endpoints/nobody", {}, "E_ENDPOINT_UNKNOWN"),
            ("/unit", {"endpoint": "shop", "unit": "public.none"}, "E_DATASET_NOT_IN_CATALOG"),
            ("/unit", {}, "E_ENDPOINT_UNKNOWN"),
            ("/runs/no-such-run", {}, "E_NOT_FOUND"),
            ("/data/rows", {"sink": "lake", **PLACE}, "E_SINK_NOT_PROVISIONED"),
        ):
            shown = browser.get(path, **query)
            assert (shown.status_code, f"/console/help/{code}" in shown.text) == (200, True), path
        assert browser.get("/help/E_SOURCE_AUTH").status_code == 200
        assert browser.get("/help/E_NONSENSE").status_code == 404


class TestOverview:
    def test_states_failures_and_what_is_due(self, browser: HeadlessBrowser, workspace: ConsoleWorkspace) -> None:
        failed = workspace.prefect.add(REF, "FAILED", message="E_SOURCE_AUTH: The token <b>was</b> refused.")
        workspace.prefect.add(REF, "SCHEDULED", due_in_s=7_300)
        workspace.states.failed(REF, failed, refused_login())
        shown = browser.get("")
        words = words_of(shown)
        assert "1 failed" in words
        assert f"/console/runs/{failed}" in shown.text
        assert "The token <b>was</b> refused" in words
        assert "<b>was</b>" not in shown.text
        assert "in 2 h" in words
        assert re.findall(r"badge (\w+)", shown.text) == ["ok", "ok", "failing", "ok"]

    @pytest.mark.parametrize("path", ["", "/data", "/lineage", "/unit", "/add"])
    def test_an_endpoint_that_is_removed_meanwhile_is_left_out(
        self, browser: HeadlessBrowser, workspace: ConsoleWorkspace, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        listed = [*workspace.endpoints.list(), EndpointEntry("gone", "cdm.jdbc", {})]
        monkeypatch.setattr(workspace.endpoints, "list", lambda: listed)
        shown = browser.get(path, **(PLACE if path == "/unit" else {}))
        assert shown.status_code == 200
        assert "No endpoint is registered as" not in words_of(shown)

    def test_ten_pages_cost_one_poll(
        self, browser: HeadlessBrowser, workspace: ConsoleWorkspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All within a moment, however slow the machine is: time stands still for what is kept and for "3 s ago"."""
        browser.get("/board")
        browser.app.state.console_answers = SharedAnswers(lambda: 0.0)
        stopped = Mock(wraps=datetime, **{"now.return_value": datetime.now(UTC)})
        monkeypatch.setattr("metadata_api.console.rendering.datetime", stopped)
        browser.get("/board")
        asked = len(workspace.prefect.calls)
        assert len({browser.get("/board").text for _ in range(10)}) == 1
        assert len(workspace.prefect.calls) == asked


class TestEndpoint:
    def test_the_form_is_made_from_the_template_and_shows_no_secret(self, browser: HeadlessBrowser) -> None:
        shown = browser.get("/endpoints/shop")
        assert SECRET not in shown.text
        assert "********" not in shown.text
        assert re.search(r'name="config.host" value="db.example.com"', shown.text)
        assert re.search(
            r'type="password" name="config.password" autocomplete="new-password" placeholder="saved', shown.text
        )
        assert "public.hostile" in words_of(shown)

    def test_add_test_and_collect(self, browser: HeadlessBrowser, workspace: ConsoleWorkspace) -> None:
        assert "PostgreSQL" in words_of(browser.get("/add", role="sink"))
        browser.get("/add", template="jdbc.postgres")
        form = {
            "template": "jdbc.postgres",
            "name": "Web Shop",
            "config.host": "db",
            "config.port": "6000",
            "config.password": SECRET,
        }
        saved = browser.post("/add", intent="save", **form)
        assert 'data-go-to="/console/endpoints/web-shop"' in saved.text
        config = workspace.endpoints.get("web-shop")[1]
        assert (config.host, config.port, config.password.get_secret_value()) == ("db", 6000, SECRET)
        assert "It works: 17.0 as reader" in words_of(browser.post("/endpoints/web-shop/test"))
        again = browser.post("/add", intent="save", **form)
        assert "/console/help/E_CONFIG_INVALID" in again.text
        bad = browser.post("/add", intent="save", **{**form, "name": "other", "config.port": "many"})
        assert "port" in words_of(bad)
        assert SECRET not in bad.text
        assert "is being collected" in words_of(browser.post("/endpoints/shop/collect"))
        assert "queued" in words_of(browser.get("/endpoints/shop"))

    def test_a_connection_is_tested_before_it_is_saved(self, browser: HeadlessBrowser) -> None:
        form = {"template": "jdbc.postgres", "name": "x", "config.host": "127.0.0.1", "config.port": "1"}
        tested = browser.post("/add", intent="test", **form)
        assert "/console/help/E_SOURCE_UNREACHABLE" in tested.text

    def test_changes_send_what_differs(self, browser: HeadlessBrowser, workspace: ConsoleWorkspace) -> None:
        shown = {
            "name": "shop",
            "config.host": "db.example.com",
            "config.database": "shop",
            "config.user": "reader",
            "config.password": "",
        }
        assert "Nothing was changed" in words_of(browser.post("/endpoints/shop", **shown))
        changed = browser.post(
            "/endpoints/shop", **{**shown, "config.user": "", "config.connect_timeout_s": "7", "name": "The shop"}
        )
        assert "Saved: user, connect_timeout_s" in words_of(changed)
        config = workspace.endpoints.get("shop")[1]
        assert (config.user, config.connect_timeout_s, config.password.get_secret_value()) == (None, 7, SECRET)
        assert workspace.profiles.profile("shop").name == "The shop"
        moved = browser.post("/endpoints/shop", **{**shown, "name": "The shop", "config.host": "elsewhere.example.com"})
        assert "Give password again" in words_of(moved)

    def test_a_refused_login_has_a_code_and_a_next_step(
        self, browser: HeadlessBrowser, workspace: ConsoleWorkspace
    ) -> None:
        workspace.source("shop").fails = refused_login()  # type: ignore[attr-defined]
        words = words_of(browser.post("/endpoints/shop/test"))
        assert "The token was refused Next: Create a new one. E_SOURCE_AUTH" in words

    def test_switch_and_remove(self, browser: HeadlessBrowser, workspace: ConsoleWorkspace) -> None:
        off = browser.post("/endpoints/shop/switch", on="false")
        assert "Switch on" in words_of(off)
        assert not workspace.switches.is_on("shop")
        assert 'data-go-to="/console"' in browser.post("/endpoints/shop/remove", confirmed="true").text
        assert [each.endpoint_id for each in workspace.endpoints.list()] == ["common", "lake", "site"]

    def test_units_are_searched_and_paged(self, browser: HeadlessBrowser) -> None:
        assert "public.hostile" not in words_of(browser.get("/endpoints/shop", search="orders"))
        assert "No unit is like that" in words_of(browser.get("/endpoints/shop", state="failed"))
        assert "public.orders" in words_of(browser.get("/endpoints/shop", after="public.hostile"))

    def test_what_changed_in_the_catalog(self, browser: HeadlessBrowser, workspace: ConsoleWorkspace) -> None:
        held = workspace.catalogs.load("shop")
        workspace.catalogs.save(held.model_copy(update={"datasets": held.datasets[1:]}))
        assert "0 new, 1 gone, 0 different" in words_of(browser.get("/endpoints/shop"))


class TestUnit:
    def test_only_sinks_that_fit_are_offered(self, browser: HeadlessBrowser) -> None:
        shown = browser.get("/unit", **PLACE)
        assert re.findall(r'<option value="(\w+)" data-modes="([a-z ]+)"', shown.text) == [("lake", "raw")]
        assert "common (Common data model in PostgreSQL)" in words_of(shown)
        offered = re.findall(r'<option value="(\w+)" data-modes="([a-z ]+)"', browser.get("/unit", **SITE).text)
        assert offered == [("common", "cdm"), ("lake", "raw"), ("shop", "raw")]

    def test_a_table_that_is_missing_is_made_from_the_page(
        self, browser: HeadlessBrowser, workspace: ConsoleWorkspace
    ) -> None:
        held = workspace.catalogs.load("common")
        made = held.datasets[0]
        workspace.catalogs.save(held.model_copy(update={"datasets": ()}))
        workspace.systems["common"] = CommonTables("cdm.jdbc", made)
        shown = browser.get("/unit", **SITE)
        assert "need its table in the sink first: Make the table in common" in words_of(shown)
        assert shown.text.count("Make the table in") == 1, "a sink of raw rows needs none"
        form = {**SITE, "provision_sink": "common", "model": "cdm.work.item"}
        assert f"The table {made.name} is there" in words_of(browser.post("/unit/provision", **form))
        assert workspace.catalogs.load("common").datasets[0].dataset_id == made.dataset_id
        shown = browser.get("/unit", **SITE)
        assert "Make the table in" not in words_of(shown)
        assert re.findall(r'<option value="common" data-modes="([a-z ]+)"', shown.text) == ["cdm"]

    def test_pickers_hold_what_the_source_offers_and_what_was_chosen(
        self, browser: HeadlessBrowser, workspace: ConsoleWorkspace
    ) -> None:
        policy = UnitPolicy(selectors={"projectKeys": ["P3", "GONE"], "updatedFrom": "2026-01-01"})
        workspace.units.configure(UnitConfig(endpoint_id="site", unit_id=ISSUES, policy=policy))
        shown = browser.get("/unit/options", **SITE)
        assert re.findall(r'name="selector.projectKeys" value="(\w+)" checked', shown.text) == ["P3", "GONE"]
        assert "GONE (not offered now)" in words_of(shown)
        assert 'name="selector.updatedFrom" value="2026-01-01"' in shown.text
        workspace.source("site").fails = refused_login()  # type: ignore[attr-defined]
        browser.app.state.console_answers.forget()
        shown = browser.get("/unit/options", **SITE)
        assert "The source did not say what there is" in words_of(shown)
        assert re.findall(r'name="selector.projectKeys" value="(\w+)" checked', shown.text) == ["P3", "GONE"]

    def test_saving_loses_nothing_that_is_not_shown(
        self, browser: HeadlessBrowser, workspace: ConsoleWorkspace
    ) -> None:
        policy = UnitPolicy(
            selectors={"statuses": ["Done"], "updatedFrom": "2026-01-01"}, census_every_s=60.0, resume_within_s=5.0,
            parallel_slices=7, target_name="tickets",
        )  # fmt: skip
        workspace.units.configure(UnitConfig(endpoint_id="site", unit_id=ISSUES, sink_id="lake", policy=policy))
        chosen = {"shown.selectors": "projectKeys", "many.projectKeys": "1", "selector.projectKeys": "P1"}
        assert "are saved" in words_of(browser.post("/unit/save", **SITE, **chosen))
        after = workspace.units.config("site", ISSUES)
        assert after.policy.selectors == {**policy.selectors, "projectKeys": ["P1"]}
        assert after.policy.model_copy(update={"selectors": policy.selectors}) == policy
        assert after.sink_id == "lake"

    def test_settings(self, browser: HeadlessBrowser, workspace: ConsoleWorkspace) -> None:
        form = {
            "shown.main": "1", "enabled": "true", "run_mode": "incremental", "mode": "raw", "sink_id": "lake",
            "schedule_kind": "interval", "schedule_minutes": "30", "shown.policy": "1", "slice_mib": "1.5",
            "parallel_slices": "3", "on_gone": "tombstone", "max_delete_fraction": "0.25", "cursor_columns": "at",
            "key_columns": "id, note", "allow_partial": "true", "target_name": "", "target_namespace": "",
            "shown.filter": "1", "where.column": ["note", "", "id"], "where.op": ["eq", "eq", "in"], "where.value": ["x", "", "1, 2"],
        }  # fmt: skip
        assert "are saved" in words_of(browser.post("/unit/save", **PLACE, **form))
        held = workspace.units.config("shop", UNIT)
        assert (held.mode, held.schedule, held.sink_id) == ("incremental", "every 1800", "lake")
        policy = held.policy
        assert (policy.target_slice_bytes, policy.parallel_slices, policy.on_gone) == (1_572_864, 3, "tombstone")
        assert (policy.cursor_columns, policy.key_columns, policy.allow_partial) == (("at",), ("id", "note"), True)
        assert [(each.column, each.op, each.value) for each in policy.filter] == [
            ("note", "eq", "x"),
            ("id", "in", ["1", "2"]),
        ]
        assert [each["schedule"] for each in workspace.prefect.schedules.values()] == [{"interval": 1800}]
        shown = browser.get("/unit", **PLACE)
        assert 'name="where.value" value="1, 2"' in shown.text
        for wrong, code in (
            ({"schedule_kind": "cron", "schedule_cron": "x"}, "E_CONFIG_INVALID"),
            ({"parallel_slices": "900"}, "E_CONFIG_INVALID"),
            ({"mode": "cdm"}, "E_CDM_MODEL_UNSUPPORTED"),
            ({"sink_id": "nowhere"}, "E_ENDPOINT_UNKNOWN"),
        ):
            assert f"/console/help/{code}" in browser.post("/unit/save", **PLACE, **{**form, **wrong}).text, wrong
        assert workspace.units.config("shop", UNIT) == held

    def test_a_condition_that_was_not_touched_keeps_its_type(self) -> None:
        held = {
            "policy": {
                "filter": [{"column": "id", "op": "in", "value": [1, 2]}, {"column": "n", "op": "eq", "value": 5}]
            }
        }
        form = {
            "shown.filter": ["1"],
            "where.column": ["id", "n"],
            "where.op": ["in", "eq"],
            "where.value": ["1, 2", "5"],
        }
        assert settings_input("shop", UNIT, form, held) == {"endpointId": "shop", "unitId": UNIT}
        form["where.value"][1] = "6"
        changed = settings_input("shop", UNIT, form, held)["policy"]["filter"]
        assert [each["value"] for each in changed] == [[1, 2], "6"]

    def test_the_plan_is_shown_as_a_chart(self, browser: HeadlessBrowser, workspace: ConsoleWorkspace) -> None:
        shown = browser.post("/unit/plan", **PLACE, run_mode="full")
        assert shown.text.count('<rect class="planned"') == 3
        assert "full , 3 slice(s), key-range. By key." in words_of(shown)
        assert workspace.prefect.flow_runs == {}

    def test_start_pause_resume(self, browser: HeadlessBrowser, workspace: ConsoleWorkspace) -> None:
        started = browser.post("/unit/start", **PLACE)
        (run_id,) = workspace.prefect.flow_runs
        assert f"/console/runs/{run_id}" in started.text
        assert workspace.prefect.flow_runs[run_id]["parameters"] == REF.model_dump()
        workspace.prefect.flow_runs[run_id]["state_type"] = "RUNNING"
        browser.app.state.console_answers.forget()
        assert "Pause" in words_of(browser.get("/unit/live", **PLACE))
        assert "ends after what is in hand" in words_of(browser.post("/unit/pause", **PLACE))
        assert workspace.holds.is_held(REF)
        del workspace.prefect.flow_runs[run_id]
        browser.app.state.console_answers.forget()
        assert "Resume" in words_of(browser.get("/unit/live", **PLACE))
        assert "The pause is over" in words_of(browser.post("/unit/start", **PLACE))
        assert not workspace.holds.is_held(REF)

    def test_reset_asks_first(
        self, browser: HeadlessBrowser, workspace: ConsoleWorkspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[Any] = []
        monkeypatch.setattr("metadata_api.actions.forget_watermark", lambda *it: asked.append(it[1]) or True)
        assert "Tick the box" in words_of(browser.post("/unit/reset", **PLACE))
        assert asked == []
        assert "Forgotten" in words_of(browser.post("/unit/reset", **PLACE, confirmed="true"))
        assert asked == [REF]

    def test_watermark(self, browser: HeadlessBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[Any] = []
        monkeypatch.setattr("metadata_api.actions.set_watermark", lambda *it: asked.append(it[1:3]))
        assert "Give a watermark" in words_of(browser.post("/unit/watermark", **PLACE))
        assert "begins there" in words_of(browser.post("/unit/watermark", **PLACE, watermark="2026-01-01"))
        assert asked == [(REF, "2026-01-01")]


class TestRun:
    def test_while_it_runs_and_after(self, browser: HeadlessBrowser, workspace: ConsoleWorkspace) -> None:
        run_id = workspace.prefect.add(REF, "RUNNING")
        workspace.landed(run_id)
        shown = browser.get(f"/runs/{run_id}")
        words = words_of(shown)
        assert "2 of 3" in words
        assert "received 20 expected 60" in words
        assert re.findall(r'<rect class="(\w+)"', shown.text) == ["done", "gap", "planned"]
        assert "part-1: page 7 was refused <b>" in words
        assert 'data-poll="/console/runs/' in shown.text
        workspace.prefect.artifacts["summary-shop-public-orders-lake"] = {
            "flow_run_id": run_id, "data": "| Staged in | `s3://bucket/ingestion/default/shop/1/` |",
        }  # fmt: skip
        workspace.prefect.flow_runs[run_id] |= {"state_type": "COMPLETED", "state_name": "Completed"}
        browser.app.state.console_answers.forget()
        after = browser.get(f"/runs/{run_id}/live")
        assert "data-over" in after.text
        assert "s3://bucket/ingestion/default/shop/1/" in words_of(after)
        assert link_to("http://127.0.0.1:4200/api", run_id) in after.text

    def test_a_failed_one_says_what_to_do(self, browser: HeadlessBrowser, workspace: ConsoleWorkspace) -> None:
        run_id = workspace.prefect.add(REF, "FAILED", message="E_SOURCE_AUTH: The token was refused. Create a new one.")
        shown = browser.get(f"/runs/{run_id}")
        assert "/console/help/E_SOURCE_AUTH" in shown.text
        assert "no longer on record" in words_of(shown)


class TestData:
    def test_rows_in_pages_with_search(self, browser: HeadlessBrowser, workspace: ConsoleWorkspace) -> None:
        run_id = workspace.prefect.add(REF, "COMPLETED")
        workspace.landed(run_id)
        workspace.states.succeeded(REF, run_id, {"rows_staged": 20})
        assert "public.orders shop lake 20" in words_of(browser.get("/data"))
        assert "No unit is like that" in words_of(browser.get("/data", search="nothing"))
        shown = browser.get("/data/rows", sink="lake", **PLACE)
        assert "rows 1 to 50" in words_of(shown)
        assert "offset=50" in shown.text
        last = browser.get("/data/rows", sink="lake", **PLACE, offset="100", search="x")
        assert "rows 101 to 120" in words_of(last)
        assert 'rel="next"' not in last.text
        assert workspace.systems["lake"].pages[-1].search == "x"

    def test_common_models_have_filters(self, browser: HeadlessBrowser, workspace: ConsoleWorkspace) -> None:
        assert "cdm.work.item" in words_of(browser.get("/data"))
        shown = browser.get("/data/rows", sink="common", model="cdm.work.item", **{"filter.status": "open"})
        assert re.findall(r'name="filter.(\w+)"', shown.text) == ["project_cdm_id", "status", "assignee_cdm_id"]
        (condition,) = workspace.systems["common"].pages[-1].where
        assert (condition.column, condition.op, condition.value) == ("status", "eq", "open")

    def test_a_sink_of_files_says_how_to_read_it(self, browser: HeadlessBrowser, workspace: ConsoleWorkspace) -> None:
        class Files:
            descriptor = workspace.sink("lake").descriptor

            def reading_lines(self, ref: Any) -> dict[str, str]:
                return {"polars": "pl.read_parquet('x')"}

            def compact(self, ref: Any) -> tuple[str, ...]:
                return ()

        workspace.systems["lake"] = Files()  # type: ignore[assignment]
        assert "pl.read_parquet('x')" in words_of(browser.get("/data/rows", sink="lake", **PLACE))


def test_lineage_is_a_picture_and_a_table(
    browser: HeadlessBrowser, workspace: ConsoleWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {
        "d": "dataset",
        "c": "column",
        "u": "unit",
        "t": "cdm_table",
        "k": "cdm_column",
        "s": "endpoint",
        "o": "column",
    }
    nodes = [{"id": name, "nodeType": kind, "title": f"<{name}>", "properties": {}} for name, kind in kinds.items()]
    edges = [
        ("d", "produces", "u"),
        ("u", "lands_in", "s"),
        ("u", "maps_to", "t"),
        ("d", "contains", "c"),
        ("k", "derived_from", "c"),
    ]
    graph = {
        "truncated": False,
        "nodes": nodes,
        "edges": [{"fromId": a, "edgeType": kind, "toId": b, "properties": {}} for a, kind, b in edges],
    }
    monkeypatch.setattr(ConsoleClient, "ask", lambda *_, **__: {"lineage": graph})
    tables, columns = browser.get("/lineage", dataset="shop/x"), browser.get("/lineage", dataset="shop/x", columns="1")
    assert re.findall(r'data-node="(\w)"', tables.text) == ["d", "u", "t", "s"]
    assert re.findall(r'data-node="(\w)"', columns.text) == ["d", "c", "k", "t"]
    assert "<k> <c>" in words_of(tables)


def test_datasets_lead_to_their_lineage(browser: HeadlessBrowser) -> None:
    assert "dataset=site%2Fjira.issues" in browser.get("/lineage", search="issues").text


def test_an_action_answers_without_the_script_too(browser: HeadlessBrowser) -> None:
    answer = browser.post("/endpoints/shop/test", script=False)
    assert "It works" in words_of(answer)
    assert answer.text.startswith("<!doctype html>")


def test_threads_wait_for_one_answer_and_a_change_forgets_it() -> None:
    clock, read = [0.0], []
    shared = SharedAnswers(lambda: clock[0])

    def answer() -> int:
        read.append(1)
        return len(read)

    assert [shared.get("a", 2.0, answer) for _ in range(3)] == [1, 1, 1]
    clock[0] = 12.0
    assert shared.get("a", 2.0, answer) == 2, "too old to be shown"
    shared.forget()
    assert shared.get("a", 2.0, answer) == 3
    assert shared.get("b", 2.0, lambda: shared.forget() or "changed meanwhile") == "changed meanwhile"
    assert shared.get("b", 2.0, lambda: "again") == "again"


def test_who_polls_does_not_wait_for_the_next_answer() -> None:
    clock, may_answer = [0.0], Event()
    shared = SharedAnswers(lambda: clock[0])
    assert shared.get("a", 2.0, lambda: "first") == "first"

    def second() -> str:
        may_answer.wait(30)
        return "second"

    clock[0] = 3.0
    assert [shared.get("a", 2.0, second) for _ in range(5)] == ["first"] * 5
    may_answer.set()
    until(lambda: shared.get("a", 2.0, second) == "second")

    def failing() -> str:
        raise OperationRefusedError("away", "E_CONTROL_PLANE_UNREACHABLE", "", retryable=True)

    clock[0] = 6.0
    assert shared.get("a", 2.0, failing) == "second"
    until(lambda: "a" not in shared._held)
    with pytest.raises(OperationRefusedError):
        shared.get("a", 2.0, failing)


def test_a_viewer_sees_and_changes_nothing(workspace: ConsoleWorkspace) -> None:
    viewer = HeadlessBrowser(services_of(workspace)).sign_in("viewer-token-0123456789")
    assert "public.orders" in words_of(viewer.get("/endpoints/shop"))
    for path, fields in (
        ("/unit/start", PLACE),
        ("/endpoints/shop/test", {}),
        ("/endpoints/shop/remove", {}),
        ("/unit/plan", PLACE),
    ):
        assert "/console/help/E_FORBIDDEN" in viewer.post(path, **fields).text, path
    assert "/console/help/E_FORBIDDEN" in viewer.get("/data/rows", sink="lake", **PLACE).text
    assert len(workspace.endpoints.list()) == 4


def test_the_client_passes_on_what_the_schema_refuses(workspace: ConsoleWorkspace) -> None:
    client = ConsoleClient(services_of(workspace), "admin", SharedAnswers())
    with pytest.raises(OperationRefusedError, match="E_ENDPOINT_UNKNOWN") as refused:
        client.ask("Units", endpointId="nobody", search="", first=5)
    assert json.dumps([refused.value.hint, refused.value.retryable])
