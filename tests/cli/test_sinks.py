"""``nucleus sink``: the lines that it prints are executed."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

from cli import workspace
from contracts.receipts import RunRef
from tests.cli.command import nucleus, succeeds
from tests.cli.in_memory_workspace import InMemoryWorkspace
from tests.conformance.sink_suite import plan_of, reader_of

_REF = RunRef(endpoint_id="shop", unit_id="things", sink_id="files")


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A workspace with a table of two files in a folder."""
    made = InMemoryWorkspace(tmp_path)
    monkeypatch.setattr(workspace, "open_workspace", lambda: made)
    succeeds("endpoint", "add", "--template", "object.parquet", "files", "--set", f"root={tmp_path}/lake")
    sink, plan = made.sink("files"), plan_of(slices=2)
    sink.provision(plan)
    run = sink.begin_run(_REF, "r", plan)
    for piece in plan.slices:
        sink.upsert(run, plan, piece, reader_of([(piece.sequence, "x", 7)]))
    sink.finish_run(run, None)
    made.states.succeeded(_REF, "r")
    yield made
    made.close()


def test_what_is_shown_reads_the_table(kept):
    lines = succeeds("sink", "show", "shop", "things", "--sink", "files")["tables"]["things in files"]
    with duckdb.connect() as connection:
        assert sorted(connection.execute(lines["duckdb"]).fetchall()) == [(0, "x", 7), (1, "x", 7)]
    assert eval(lines["polars"], {"pl": pl}).collect().sort("id").rows() == [(0, "x", 7), (1, "x", 7)]  # noqa: S307
    shown = nucleus("sink", "show", "shop", "things", "--sink", "files").out
    assert "spark:" in shown
    assert "things in files" in nucleus("sink", "show", "shop").out, "without a unit, of all that were run"


def test_compaction(kept):
    command = ("sink", "compact", "shop", "things", "--sink", "files")
    assert succeeds(*command)["compacted"] == ["suite.things: 2 small files written as 1"]
    assert succeeds(*command)["compacted"] == []
