"""Endpoint, catalog, preview, cleaning, reset."""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from contracts.errors import (
    CompletenessGapError,
    ControlPlaneError,
    RunError,
    RunInProgressError,
    SourceUnreachableError,
)
from contracts.unit import UnitConfig
from flows.clean_staging import clean_staging
from flows.collect_catalog import collect_catalog
from flows.compact_tables import compact_tables
from flows.ingest_endpoint import ingest_endpoint
from flows.ingest_unit import ingest_unit
from flows.preview_dataset import preview_dataset
from flows.reset_checkpoint import reset_checkpoint
from flows.wiring import open_workspace
from tests.flows.conftest import ROWS, SMALL

if TYPE_CHECKING:
    from pathlib import Path

    from flows.prefect_api.client import ControlPlane
    from flows.wiring import Workspace
    from tests.flows.conftest import RegisteredPair


def test_an_endpoint_goes_on_past_a_unit_that_fails(pair: RegisteredPair, workspace: Workspace) -> None:
    pair.source_sql("CREATE TABLE public.bad (id int PRIMARY KEY); CREATE TABLE public.good (id int PRIMARY KEY)")
    pair.source_sql("CREATE TABLE public.off (id int PRIMARY KEY)")
    pair.sink_sql("CREATE TABLE public.bad (id point)")
    assert collect_catalog(pair.source_id) == {
        "version": workspace.catalogs.load(pair.source_id).version,
        "datasets": 4,
        "added": 3,
        "removed": 0,
        "changed": 0,
    }
    shown = workspace.plane.call("GET", f"/artifacts/catalog-{pair.source_id}/latest")
    rows = {row["dataset"]: row for row in json.loads(shown["data"])}
    assert (shown["type"], rows["public.good"]["change"], rows["public.orders"]["change"]) == ("table", "added", "")
    assert (rows["public.orders"]["columns"], rows["public.orders"]["key"]) == (3, "id")
    assert "4 datasets; 3 added" in shown["description"]
    workspace.units.configure(UnitConfig(endpoint_id=pair.source_id, unit_id="public.off", enabled=False))
    threads = {*threading.enumerate()}
    with pytest.raises(RunError, match=r"1 of 3 units of .* failed: public\.bad: E_SINK_SCHEMA_CONFLICT") as caught:
        ingest_endpoint(pair.source_id, pair.sink_id)
    left = Counter(thread.name for thread in threading.enumerate() if thread not in threads)
    assert all(count == 1 for count in left.values()), f"of Prefect's own one each, and none for each unit: {left}"
    assert caught.value.facts["not_begun"] == []
    assert pair.same()
    assert pair.sink_sql("SELECT to_regclass('public.good') IS NOT NULL, to_regclass('public.off') IS NULL").strip()
    states = {state.unit_id: state.state for state in workspace.states.list(pair.source_id)}
    assert states == {"public.bad": "FAILED", "public.good": "SUCCEEDED", "public.orders": "SUCCEEDED"}


def test_a_schema_that_cannot_be_collected_takes_no_unit_away(
    pair: RegisteredPair, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two schemas are two jobs; one of them fails, as it does where a lock or a privilege is in the way."""
    pair.source_sql("CREATE SCHEMA other; CREATE TABLE other.kept (id int PRIMARY KEY)")
    assert collect_catalog(pair.source_id)["datasets"] == 2
    pair.source_sql("CREATE TABLE public.new (id int PRIMARY KEY); DROP TABLE other.kept")
    source = workspace.source(pair.source_id)
    collected = type(source).collect_metadata

    def failing(self: Any, endpoint_id: str, job: Any) -> Any:
        if "other" in job.namespaces:
            raise SourceUnreachableError("The connection was lost", "Run again.")
        return collected(self, endpoint_id, job)

    monkeypatch.setattr(type(source), "collect_metadata", failing)
    with pytest.raises(CompletenessGapError, match="schema other: E_SOURCE_UNREACHABLE"):
        collect_catalog(pair.source_id)
    kept = {each.dataset_id for each in workspace.catalogs.load(pair.source_id).datasets}
    assert kept == {"public.orders", "public.new", "other.kept"}
    shown = workspace.plane.call("GET", f"/artifacts/catalog-{pair.source_id}/latest")
    assert "Not collected: schema other" in shown["description"]
    monkeypatch.setattr(type(source), "collect_metadata", collected)
    assert collect_catalog(pair.source_id)["removed"] == 1
    tasks = workspace.plane.call("POST", "/task_runs/filter", {"task_runs": {"name": {"like_": "schema other"}}})
    assert tasks, "each job is a task run"


def test_preview_shows_rows_and_returns_counts(pair: RegisteredPair, plane: ControlPlane) -> None:
    assert preview_dataset(pair.source_id, "public.orders", limit=1_000) == {"rows": 50, "columns": 3}
    rows = json.loads(plane.call("GET", "/artifacts/preview/latest")["data"])
    assert len(rows) == 50
    assert rows[0]["note"] == "x" * 199 + "…" or len(rows[0]["note"]) == 200


def test_reset_makes_the_next_run_read_everything(pair: RegisteredPair, workspace: Workspace) -> None:
    arguments = (pair.source_id, "public.orders", pair.sink_id)
    cursor = {"mode": "incremental", "policy": {"cursor_columns": ["at"]}}
    first = ingest_unit(*arguments, **cursor)
    with workspace.sink(pair.sink_id).exclusive(pair.ref), pytest.raises(RunInProgressError):
        reset_checkpoint(*arguments)
    assert reset_checkpoint(*arguments) == {"reset": True}
    assert reset_checkpoint(*arguments) == {"reset": False}
    again = ingest_unit(*arguments, **cursor)
    assert (first["checkpoint_before"], again["checkpoint_before"]) == (None, None)
    assert again["rows_read"] == ROWS


def test_cleaning_spares_live_runs(pair: RegisteredPair, workspace: Workspace) -> None:
    done = ingest_unit(pair.source_id, "public.orders", pair.sink_id)
    workspace.states.running(pair.ref, done["run_id"])
    spared = clean_staging(ttl_s=0.0)
    assert spared["live_sessions"] >= done["slices_done"]
    workspace.states.succeeded(pair.ref, done["run_id"])
    removed = clean_staging(ttl_s=0.0)
    assert removed["removed_sessions"] >= done["slices_done"]
    assert not list(workspace.staging().sessions(run_id=done["run_id"]))


def test_tables_of_files_are_compacted_and_one_that_cannot_be_is_named(
    pair: RegisteredPair, workspace: Workspace, tmp_path: Path
) -> None:
    files, broken = f"{pair.sink_id}-files", f"{pair.sink_id}-broken"
    for sink_id in (files, broken):
        workspace.endpoints.add(sink_id, "object.parquet", {"root": str(tmp_path / sink_id)})
        ingest_unit(pair.source_id, "public.orders", sink_id, policy=SMALL)
    ingest_unit(pair.source_id, "public.orders", pair.sink_id)
    before = {*(tmp_path / files).rglob("*.parquet")}
    assert len(before) > 1
    done = compact_tables(endpoint_id=pair.source_id, sink_id=files)
    assert done == {"tables": 1, "lines": 1}
    assert len({*(tmp_path / files).rglob("*.parquet")} - before) == 1, "of the old ones, the grace time takes care"
    rows = json.loads(workspace.plane.call("GET", f"/artifacts/compacted-{files}/latest")["data"])
    assert rows == [{"unit": f"{pair.source_id}/public.orders", "sink": files, "done": rows[0]["done"]}]
    assert f"{len(before)} small files written as 1" in rows[0]["done"]
    for manifest in (tmp_path / broken).rglob("manifests/*.json"):
        manifest.write_text("{")
    with pytest.raises(RunError, match=f"1 of 2 tables could not be compacted: .*{broken}"):
        compact_tables(endpoint_id=pair.source_id)
    assert compact_tables(endpoint_id=pair.source_id, sink_id=files) == {"tables": 1, "lines": 0}


def test_no_server_is_an_error_with_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415

    for url in ("http://127.0.0.1:9/api", None):
        monkeypatch.delenv("PREFECT_API_URL", raising=False)
        with temporary_settings({PREFECT_API_URL: url}), open_workspace(tmp_path) as workspace:
            with pytest.raises(ControlPlaneError, match="nucleus up"):
                _ = workspace.endpoints
            monkeypatch.setenv("NUCLEUS_KV_URL", f"sqlite:///{tmp_path / 'state.db'}")
            assert workspace.states.list() == (), "the table driver needs no server"
            monkeypatch.delenv("NUCLEUS_KV_URL")
