"""The graph as runs and collections tell it: what is there, what it never holds, and what happens when it is away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest

from contracts.knowledge import EdgeType, NodeType, node_id
from contracts.receipts import RunSummary
from flows.collect_catalog import collect_catalog
from flows.ingest_unit import ingest_unit
from flows.knowledge_feed import tell_again
from flows.operations.cdm import provision_cdm
from flows.operations.lineage import lineage
from flows.operations.run_control import remove_endpoint
from flows.wiring import open_workspace
from metadata_api.schema.knowledge_types import KbEdgeType, KbNodeType
from sandbox.jira import JiraSite, SandboxJira
from state.keys import OUTBOX

if TYPE_CHECKING:
    from pathlib import Path

    from contracts.knowledge import KbNode
    from flows.wiring import Workspace
    from sandbox.postgres import SandboxPostgres
    from tests.flows.conftest import RegisteredPair

MARK = "a row that stays where it is"


@pytest.fixture(autouse=True)
def graph_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The graph of this test alone."""
    monkeypatch.setenv("NUCLEUS_KB_URL", f"sqlite:///{tmp_path}/knowledge.db")
    return tmp_path / "knowledge.db"


def titles(nodes: Any, kind: str) -> list[str]:
    return sorted(node.title for node in nodes if node.node_type == kind)


def waiting(workspace: Workspace, pair: RegisteredPair) -> list[str]:
    return [entry.key.key for entry in workspace.store.list(OUTBOX) if pair.source_id in entry.key.key]


def test_a_collection_and_a_run_are_told_and_no_row_is(
    pair: RegisteredPair, workspace: Workspace, graph_file: Path
) -> None:
    pair.source_sql(f"INSERT INTO orders VALUES (-1, '{MARK}')")
    collect_catalog(pair.source_id)
    summary = RunSummary.model_validate(ingest_unit(pair.source_id, "public.orders", pair.sink_id))
    ingest_unit(pair.source_id, "public.orders", pair.sink_id)
    run = workspace.graph.get(node_id("run", pair.source_id, "public.orders", pair.sink_id))
    assert run is not None
    assert (run.node.properties["rows_read"], run.node.properties["rows_unchanged"]) == (summary.rows_read,) * 2
    assert run.node.properties["run_id"] != summary.run_id, "the last one"
    around = workspace.graph.neighbours(node_id("dataset", pair.source_id, "public.orders"), depth=2)
    assert titles(around.nodes, "column") == ["at", "id", "note"]
    assert titles(around.nodes, "unit") == ["public.orders"]
    assert titles(around.nodes, "run") == [f"Last run of {pair.ref}"]
    workspace.graph.close()
    stored = b"".join(path.read_bytes() for path in graph_file.parent.glob(f"{graph_file.name}*"))
    assert b"public.orders" in stored
    assert MARK.encode() not in stored
    assert b"x" * 20 not in stored, "what every other row holds"


def test_a_graph_that_is_away_fails_nothing_and_is_told_later(
    pair: RegisteredPair, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, graph_file: Path
) -> None:
    with monkeypatch.context() as away:
        away.setenv("NUCLEUS_KB_URL", "sqlite:////proc/no/such/place.db")
        collect_catalog(pair.source_id)
        summary = RunSummary.model_validate(ingest_unit(pair.source_id, "public.orders", pair.sink_id))
        with open_workspace() as other:
            assert tell_again(other) == 0
    assert pair.same()
    assert not graph_file.exists()
    assert len(waiting(workspace, pair)) == 2
    assert tell_again(workspace) >= 2
    assert waiting(workspace, pair) == []
    run = workspace.graph.get(node_id("run", pair.source_id, "public.orders", pair.sink_id))
    assert run is not None
    assert run.node.properties["rows_inserted"] == summary.rows_inserted
    assert workspace.graph.get(node_id("column", pair.source_id, "public.orders", "note")) is not None


def test_an_endpoint_that_is_removed_is_gone(pair: RegisteredPair, workspace: Workspace) -> None:
    collect_catalog(pair.source_id)
    remove_endpoint(workspace, pair.source_id)
    known = workspace.graph.get(node_id("dataset", pair.source_id, "public.orders"))
    assert known is not None
    assert known.removed_at is not None


def test_a_common_column_is_followed_to_its_source(
    workspace: Workspace, postgres: SandboxPostgres, database: str
) -> None:
    suffix = f"{database.rpartition('/')[2].replace('_', '-')}-{postgres.port}"
    site, sink = f"site-{suffix}", f"cdm-{suffix}"
    with SandboxJira(JiraSite(projects=("AND",), issues=5)) as jira:
        workspace.endpoints.add(site, "http.jira", {"base_url": jira.url, "email": jira.email, "api_token": jira.token})
        workspace.endpoints.add(sink, "cdm.jdbc", {"url": database})
        provision_cdm(workspace, sink, "cdm.work.item")
        collect_catalog(site)
        ingest_unit(site, "jira.issues", sink, data_mode="cdm")
    found = lineage(workspace, site, "jira.issues")
    nodes: dict[str, KbNode] = {node.node_id: node for node in found.nodes}
    made_of = {
        (nodes[edge.from_id].title, nodes[edge.to_id].title) for edge in found.edges if edge.edge_type == "derived_from"
    }
    assert {("assignee_cdm_id", "assignee_id"), ("updated_at", "updated"), ("cdm_id", "key")} <= made_of
    assert not [name for name, _ in made_of if name in {"source_system", "ingested_at", "deleted_at"}]
    assert titles(found.nodes, "cdm_table") == ["cdm.work.item"]
    assert titles(found.nodes, "endpoint") == [sink]
    assert "comments" not in str(titles(found.nodes, "unit")), "of this dataset only"


def test_the_api_names_what_the_contract_names() -> None:
    assert [each.value for each in KbNodeType] == [*get_args(NodeType)]
    assert [each.value for each in KbEdgeType] == [*get_args(EdgeType)]
