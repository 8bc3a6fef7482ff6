"""Killed anywhere, then run again: the graph is as after a run that nobody killed, and receivers know how each run ended.

The long form kills at each statement by which the graph is told of a run (``make prove``).
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from contracts.knowledge import node_id
from contracts.receipts import RunHandle, RunSummary
from flows import lineage_feed
from flows.collect_catalog import collect_catalog
from flows.ingest_unit import ingest_unit
from sandbox.lineage import SandboxLineage
from tests.architecture.rooms import ROOT
from tests.exactness.executors import PROVE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flows.wiring import Workspace
    from tests.flows.conftest import RegisteredPair

COARSE = {"target_slice_bytes": 262_144}
"""About four slices of the orders table."""
TELLING = range(6)
"""At which of the statements of the run's emission the process dies; there are six and more."""
OF_THE_PROCESS = {
    "run_id", "seconds", "started_at", "finished_at", "slices_done", "slices_done_before", "rows_read", "mode", "strategy",
}  # fmt: skip
"""What a run's node says of the process that ended it, or of the moment."""
PROGRAM = """
import os, signal
from flows.stages.run import UnitRun
from knowledge.sql_graph import SqlGraphStore

def dying(of, name, after):
    plain, left = getattr(of, name), [after]
    def last(*given):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return plain(*given)
    setattr(of, name, last)

dying({of}, {name!r}, {after})
from flows.ingest_unit import ingest_unit
ingest_unit(*{place!r}, policy={policy!r})
"""


@pytest.fixture(autouse=True)
def graph_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph of this test alone."""
    monkeypatch.setenv("NUCLEUS_KB_URL", f"sqlite:///{tmp_path}/knowledge.db")


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxLineage]:
    with SandboxLineage() as there:
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", there.url)
        lineage_feed.process_post.cache_clear()
        yield there
        assert there.refusals == []
    lineage_feed.process_post.cache_clear()


def kill(pair: RegisteredPair, of: str, name: str, after: int) -> None:
    """A process that runs the unit and dies at the call ``after`` so many of a method."""
    place = (pair.source_id, "public.orders", pair.sink_id)
    program = PROGRAM.format(of=of, name=name, after=after, place=place, policy=COARSE)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.PIPE, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2_000:]


def run(pair: RegisteredPair, sink_id: str) -> RunSummary:
    return RunSummary.model_validate(ingest_unit(pair.source_id, "public.orders", sink_id, policy=COARSE))


def entities(workspace: Workspace, pair: RegisteredPair, sink_id: str) -> dict[str, Any]:
    """Everything around the sink and the source, with the sink called S, and no word on processes."""
    found: dict[str, Any] = {}
    for start in (node_id("endpoint", pair.source_id), node_id("endpoint", sink_id)):
        around = workspace.graph.neighbours(start, depth=3)
        for node in around.nodes:
            facts = {name: fact for name, fact in node.properties.items() if name not in OF_THE_PROCESS}
            found[node.node_id] = (node.title, str(facts))
        found |= {" ".join(edge.key): str(edge.properties) for edge in around.edges}
    others = f"plain-{pair.sink_id}" if sink_id == pair.sink_id else pair.sink_id
    mine = {name: value for name, value in found.items() if others not in re.split(r"[: ]", name)}
    return {name.replace(sink_id, "S"): str(value).replace(sink_id, "S") for name, value in mine.items()}


@pytest.fixture
def plain(pair: RegisteredPair, workspace: Workspace) -> str:
    """A second sink over the same database, of the same template."""
    url = pair.server.url(pair.sink_database)
    sink_id = f"plain-{pair.sink_id}"
    workspace.endpoints.add(
        sink_id, "jdbc.postgres", {"url": url, "target_schema": "plain", "state_schema": "plain_state"}
    )
    return sink_id


def test_killed_between_slices(
    pair: RegisteredPair, workspace: Workspace, plain: str, listening: SandboxLineage
) -> None:
    collect_catalog(pair.source_id)
    kill(pair, "UnitRun", "upserted", 1)
    sink = workspace.sink(pair.sink_id)
    last = sink.last_run(pair.ref)
    assert last is not None
    assert last.finished_at is None
    assert len(sink.receipts(RunHandle(ref=pair.ref, run_id=last.run_id, epoch=last.epoch))) >= 1
    again = run(pair, pair.sink_id)
    assert again.resumed
    run(pair, plain)
    killed = entities(workspace, pair, pair.sink_id)
    assert killed == entities(workspace, pair, plain)
    assert {name.split(":")[1] for name in killed if " " not in name} == {
        "endpoint",
        "dataset",
        "column",
        "unit",
        "run",
    }

    events = listening.of(f"{pair.source_id}.public.orders.{pair.sink_id}")
    assert [each["eventType"] for each in events] == ["START", "RUNNING", "ABORT", "START", "RUNNING", "COMPLETE"]
    dead, alive = events[0]["run"]["runId"], events[-1]["run"]["runId"]
    assert [each["run"]["runId"] for each in events] == [dead] * 3 + [alive] * 3
    assert dead != alive
    (written,) = events[-1]["outputs"]
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == again.rows_inserted, "of both processes"


@pytest.mark.skipif(not PROVE, reason="the long form; tests/knowledge kills at every statement without a run")
@pytest.mark.parametrize("after", TELLING)
def test_killed_while_the_graph_is_told(pair: RegisteredPair, workspace: Workspace, plain: str, after: int) -> None:
    collect_catalog(pair.source_id)
    kill(pair, "SqlGraphStore", "_run", after)
    run(pair, pair.sink_id)
    for _ in range(2):  # the killed run had ended in the sink, so that the next one found nothing new
        run(pair, plain)
    killed, unkilled = entities(workspace, pair, pair.sink_id), entities(workspace, pair, plain)
    assert killed == unkilled
