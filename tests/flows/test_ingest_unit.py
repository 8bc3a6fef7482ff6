"""The flow end to end on a real server: rows arrive, state is kept, bad input is refused before anything starts."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connectors.postgres.source import PostgresSource
from contracts.errors import (
    CdmModelUnsupportedError,
    ConfigInvalidError,
    EndpointUnknownError,
    RunInProgressError,
    SourcePageFailedError,
)
from contracts.receipts import RunSummary
from contracts.unit import UnitConfig
from flows.execution.artifacts import key_of, progress_of
from flows.ingest_unit import ingest_unit
from flows.operations.statuses import state_of, states_of
from tests.flows.conftest import ROWS, SMALL

if TYPE_CHECKING:
    from flows.prefect_api.client import ControlPlane
    from flows.wiring import Workspace
    from tests.flows.conftest import RegisteredPair


def run(pair: RegisteredPair, **options: Any) -> RunSummary:
    return RunSummary.model_validate(ingest_unit(pair.source_id, "public.orders", pair.sink_id, **options))


def refused(pair: RegisteredPair, unit_id: str = "public.orders", **options: Any) -> str:
    state = ingest_unit(pair.source_id, unit_id, pair.sink_id, return_state=True, **options)
    assert state.is_failed()
    return str(state.message)


def test_full_then_incremental(pair: RegisteredPair, workspace: Workspace, plane: ControlPlane) -> None:
    first = run(pair, policy=SMALL)
    assert first.slices_planned > 5
    assert (first.rows_read, first.rows_inserted) == (ROWS, ROWS)
    assert pair.same()

    cursor = {"cursor_columns": ["at"]}
    second = run(pair, mode="incremental", policy=cursor)
    assert second.rows_unchanged == ROWS
    pair.source_sql("UPDATE public.orders SET note = 'new', at = clock_timestamp() WHERE id % 1000 = 0")
    third = run(pair, mode="incremental", policy=cursor)
    assert third.rows_updated == ROWS // 1000
    assert third.checkpoint_before == second.checkpoint_after
    assert pair.same()

    state = workspace.states.state(pair.ref)
    assert (state.state, state.last_run_id, state.last_error) == ("SUCCEEDED", third.run_id, None)
    checkpoint = workspace.checkpoints(workspace.vendor(pair.source_id)).load(pair.ref)
    assert checkpoint is not None
    assert checkpoint.cursor == third.checkpoint_after
    _it_reads_like_a_story(plane, pair)


def _it_reads_like_a_story(plane: ControlPlane, pair: RegisteredPair) -> None:
    suffix = f"{pair.source_id}-public-orders-{pair.sink_id}"
    found = {
        kind: plane.call("GET", f"/artifacts/{kind}-{suffix}/latest")
        for kind in ("plan", "progress", "summary", "staged")
    }
    assert json.loads(found["plan"]["data"])[0]["slice"] == 0
    assert found["progress"]["data"] == 100.0
    assert "| Updated | 4 rows |" in found["summary"]["data"]
    assert "Watermark after" in found["summary"]["data"]
    assert "| Staged in | `file://" in found["summary"]["data"]
    assert "rows read, 0 inserted, 4 updated" in found["summary"]["description"]
    staged, said = json.loads(found["staged"]["data"]), found["staged"]["description"]
    assert sum(line["rows"] for line in staged) >= ROWS // 1000
    assert staged[0].keys() == {"slice", "key", "rows", "MiB", "session"}
    assert f"nucleus staging list --endpoint {pair.source_id}" in said
    _, *command = shlex.split(said.partition("```sh\n")[2].partition("\n```")[0])
    looked = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    assert "note" in looked.stdout
    everything = json.dumps(found)
    assert "xxxxx" not in everything
    assert pair.server.password not in everything


def test_what_was_tried_again_is_shown(
    pair: RegisteredPair, workspace: Workspace, plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of one slice, which has no progress bar else."""
    export, left = PostgresSource.export, [SourcePageFailedError("the line was cut")]

    def cut_once(self: PostgresSource, *args: Any) -> Any:
        if left:
            raise left.pop()
        return export(self, *args)

    monkeypatch.setattr(PostgresSource, "export", cut_once)
    summary = run(pair)
    assert (summary.rows_inserted, summary.retries) == (ROWS, {"E_SOURCE_PAGE_FAILED": 1})
    assert pair.same()
    ended = workspace.states.state(pair.ref)
    progress = progress_of(plane, pair.ref, str(ended.flow_run_id))
    assert progress is not None
    assert progress.percent == 100.0
    assert "1 step(s) tried again" in progress.words
    shown = plane.call("GET", f"/artifacts/{key_of('summary', pair.ref)}/latest")
    assert "| Waited | 1 step(s) tried again, E_SOURCE_PAGE_FAILED |" in shown["data"]


def test_secrets_stay_secret(pair: RegisteredPair, workspace: Workspace, plane: ControlPlane) -> None:
    secret = "hunter2-canary"
    workspace.endpoints.add("bad-login", "jdbc.postgres", {"url": pair.server.url(user="nobody", password=secret)})
    workspace.catalogs.save(workspace.catalogs.load(pair.source_id).model_copy(update={"endpoint_id": "bad-login"}))
    state = ingest_unit("bad-login", "public.orders", pair.sink_id, return_state=True)
    assert str(state.message).startswith("E_SOURCE_AUTH: ")
    told = workspace.states.state(pair.ref.model_copy(update={"endpoint_id": "bad-login"}))
    assert told.state == "FAILED"
    assert told.last_error is not None
    assert told.last_error["code"] == "E_SOURCE_AUTH"
    logs = plane.call("POST", "/logs/filter", {"limit": 200, "sort": "TIMESTAMP_DESC"})
    artifacts = plane.call("POST", "/artifacts/filter", {"limit": 200})
    runs = plane.call("POST", "/flow_runs/filter", {"limit": 50})
    listed = workspace.endpoints.list()
    for place in (logs, artifacts, runs, listed, str(state), told.model_dump_json()):
        assert secret not in str(place)
        assert pair.server.password not in str(place)
    workspace.endpoints.remove("bad-login")


def test_refused_before_anything_starts(pair: RegisteredPair, workspace: Workspace) -> None:
    assert refused(pair, "public.nothing").startswith("E_DATASET_NOT_IN_CATALOG: ")
    workspace.units.configure(UnitConfig(endpoint_id=pair.source_id, unit_id="public.orders", enabled=False))
    assert refused(pair).startswith("E_UNIT_DISABLED: ")
    workspace.units.forget(pair.source_id, "public.orders")
    assert workspace.states.list(pair.source_id) == ()
    with pytest.raises(CdmModelUnsupportedError):
        run(pair, data_mode="cdm")
    with pytest.raises(ConfigInvalidError, match="target_slice_bites"):
        run(pair, policy={"target_slice_bites": 1})
    with pytest.raises(EndpointUnknownError):
        ingest_unit(pair.source_id, "public.orders", "nowhere")
    assert pair.sink_sql("SELECT count(*) FROM pg_tables WHERE schemaname IN ('nucleus', 'public')").strip() == "0"


def test_a_target_of_another_unit_is_taken_over_by_one_run(pair: RegisteredPair) -> None:
    how = {"mode": "incremental", "policy": {"cursor_columns": ["at"]}}
    run(pair, **how)
    pair.sink_sql("UPDATE nucleus.targets SET unit_id = 'public.others'; DELETE FROM orders WHERE id <= 10")
    message = refused(pair, **how)
    assert message.startswith("E_SINK_OWNER: ")
    assert "'public.others'" in message
    taken = run(pair, adopt=True, **how)
    assert (taken.mode, taken.rows_inserted, taken.rows_unchanged) == ("full", 10, ROWS - 10)
    assert run(pair, **how).checkpoint_before == taken.checkpoint_after
    assert pair.same()


def test_a_second_run_is_refused_at_once(pair: RegisteredPair, workspace: Workspace) -> None:
    with workspace.sink(pair.sink_id).exclusive(pair.ref), pytest.raises(RunInProgressError):
        run(pair)
    assert workspace.states.state(pair.ref).state == "IDLE"
    assert run(pair).rows_inserted == ROWS


def test_an_edited_cursor_is_honoured(pair: RegisteredPair, workspace: Workspace, plane: ControlPlane) -> None:
    cursor = {"cursor_columns": ["at"]}
    run(pair, mode="incremental", policy=cursor)
    document = next(workspace.documents.find(["nucleus-checkpoint"], like=pair.source_id))
    later = pair.source_sql("SELECT clock_timestamp()").strip()  # after every row, and not after the server's clock
    edited = {**document.data["cursor"], "settled": later, "pending": []}
    plane.call("PATCH", f"/block_documents/{document.id}", {"data": {"cursor": edited}, "merge_existing_data": True})
    assert run(pair, mode="incremental", policy=cursor).rows_read == 0


def test_a_killed_run_that_was_overtaken_is_not_shown_as_running(
    pair: RegisteredPair, workspace: Workspace, plane: ControlPlane
) -> None:
    """Prefect takes a killed run for alive until its heartbeat is missed; the runs that followed say otherwise."""
    deployment = plane.call("GET", "/deployments/name/ingest-unit/ingest-unit")["id"]
    parameters = {"endpoint_id": pair.source_id, "unit_id": "public.orders", "sink_id": pair.sink_id}
    in_future = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": in_future}}
    killed = plane.call(
        "POST", f"/deployments/{deployment}/create_flow_run", {"parameters": parameters, "state": state}
    )["id"]
    plane.call("POST", f"/flow_runs/{killed}/set_state", {"state": {"type": "RUNNING"}, "force": True})
    try:
        assert state_of(workspace, pair.ref).state == "RUNNING"
        summary = run(pair)
        now = state_of(workspace, pair.ref)
        assert (now.state, now.last_run_id) == ("SUCCEEDED", summary.run_id)
        assert [each.state for each in states_of(workspace, pair.source_id)] == ["SUCCEEDED"]
    finally:
        plane.call("DELETE", f"/flow_runs/{killed}")
