"""A unit that runs without a sink: its projects, spaces, drives or people are in the graph, and no content is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from connectors.registry import EndpointRegistry
from contracts.errors import CdmModelUnsupportedError, CompletenessGapError, StageTooLargeError
from contracts.knowledge import KbNode, node_id
from contracts.plan import SliceReport
from contracts.unit import UnitConfig
from flows import knowledge_feed
from flows.collect_catalog import collect_catalog
from flows.ingest_unit import ingest_unit
from flows.operations import enrichment
from flows.operations.enrichment import enrich
from flows.operations.run_control import remove_endpoint
from knowledge.layout import INDEXES, TABLES
from knowledge.sql_graph import SqlGraphStore
from sandbox.confluence import ConfluenceSite, SandboxConfluence
from sandbox.jira import JiraSite, SandboxJira
from sandbox.onedrive import DriveSite, SandboxOneDrive
from state.admission import find_unit
from state.layout import TableLayout
from state.table import open_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flows.wiring import Workspace


@pytest.fixture
def graph_file(tmp_path: Path) -> Path:
    return tmp_path / "k.db"


@pytest.fixture
def bench(graph_file: Path) -> Iterator[Any]:
    """Makes a workspace over one source, without a server of Prefect."""
    graph = SqlGraphStore(open_database(f"sqlite:///{graph_file}", TableLayout(TABLES, INDEXES)))
    opened = []

    def made(template: str, config: dict[str, Any]) -> Any:
        factory = EndpointRegistry().get(template)
        source = factory.source(factory.config_class.model_validate(config))
        opened.append(source)
        catalog = source.collect_catalog("site")
        units = source.list_units(catalog)
        return SimpleNamespace(
            graph=graph,
            source=lambda _: source,
            runnable=lambda endpoint, unit: (
                find_unit(catalog, units, unit), UnitConfig(endpoint_id=endpoint, unit_id=unit)
            ),
        )  # fmt: skip

    yield made
    for source in opened:
        source.close()
    graph.close()


@pytest.fixture
def jira() -> Iterator[SandboxJira]:
    with SandboxJira(JiraSite(projects=("AND", "OPS"), issues=5)) as there:
        yield there


def login(jira: SandboxJira) -> dict[str, Any]:
    return {"base_url": jira.url, "email": jira.email, "api_token": jira.token}


def around(place: Any, kind: str) -> dict[str, str]:
    return {known.node.title: known.node.node_id for known in place.graph.search("", kind, 500)}


def test_projects_and_people_without_a_word_of_their_content(bench: Any, jira: SandboxJira, graph_file: Path) -> None:
    place = bench("http.jira", login(jira))
    told = enrich(place, "site", "jira.projects")
    people = enrich(place, "site", "jira.users")
    assert (told.node_type, told.entities, people.node_type) == ("project", 2, "person")
    assert around(place, "project").keys() == {"Project AND", "Project OPS"}
    assert len(around(place, "person")) == people.entities > 2
    (key,) = (known.node.properties["source_project_key"] for known in place.graph.search("Project AND", "project"))
    assert key == "AND"
    again = enrich(place, "site", "jira.projects")
    assert (again.receipt.nodes_written, again.receipt.edges_written) == (0, 0)
    place.graph.close()
    stored = b"".join(path.read_bytes() for path in graph_file.parent.glob(f"{graph_file.name}*"))
    assert b"Project AND" in stored
    rows = place.source("site").preview(place.runnable("site", "jira.users")[0], 100)
    emails = [email for email in rows["email"].to_list() if email]
    assert emails
    assert not [email for email in emails if email.encode() in stored], "an address is no name"
    assert b"description" not in stored


def test_a_space_is_owned_and_a_drive_is_a_drive(bench: Any) -> None:
    with SandboxConfluence(ConfluenceSite(spaces=("ENG",), pages=3)) as wiki:
        place = bench("http.confluence", {"base_url": wiki.url, "email": wiki.email, "api_token": wiki.token})
        assert enrich(place, "site", "confluence.space").node_type == "space"
        space = around(place, "space")["Space ENG <&>"]
        owner = place.source("site").preview(place.runnable("site", "confluence.space")[0], 1)["author_id"][0]
        person = KbNode(
            node_id=node_id("person", f"cdm:work:user:confluence:{owner}"), node_type="person", title="somebody"
        )
        place.graph.upsert_entities("people", [person])
        owned = place.graph.neighbours(space, ("owned_by",), direction="out")
        assert [node.title for node in owned.nodes if node.node_type == "person"] == ["somebody"]
    with SandboxOneDrive(DriveSite(drives=2, items=5)) as drives:
        config = {
            "base_url": drives.url, "login_url": drives.login_url, "tenant": drives.tenant, "client_id": drives.client_id,
            "client_secret": drives.client_secret, "drive_ids": [one.drive_id for one in drives.site.drives()],
        }  # fmt: skip
        place = bench("http.onedrive", config)
        assert enrich(place, "site", "onedrive.drive").node_type == "drive"
        assert len(around(place, "drive")) == 2


def test_content_has_no_place_there(bench: Any, jira: SandboxJira) -> None:
    place = bench("http.jira", login(jira))
    with pytest.raises(CdmModelUnsupportedError, match="no place in the graph"):
        enrich(place, "site", "jira.issues")
    assert place.graph.search() == ()


def test_too_many_are_refused_and_none_is_told(bench: Any, jira: SandboxJira, monkeypatch: pytest.MonkeyPatch) -> None:
    place = bench("http.jira", login(jira))
    monkeypatch.setattr(enrichment, "MOST_ENTITIES", 1)
    with pytest.raises(StageTooLargeError, match="more than 1 entities"):
        enrich(place, "site", "jira.projects")
    assert place.graph.search() == ()


def test_an_entity_is_not_taken_for_gone_because_it_was_not_delivered(
    bench: Any, jira: SandboxJira, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = bench("http.jira", login(jira))
    enrich(place, "site", "jira.projects")
    source = place.source("site")
    plain = source.export

    def partial(plan: Any, piece: Any, view: Any = None) -> Any:
        for batch in plain(plan, piece, view):
            yield batch.head(1)
        return SliceReport(gaps=("project OPS: 403",))

    monkeypatch.setattr(source, "export", partial)
    with pytest.raises(CompletenessGapError, match="403"):
        enrich(place, "site", "jira.projects")
    assert len(around(place, "project")) == 2
    monkeypatch.setattr(source, "export", lambda *given: (batch.head(1) for batch in plain(*given)))
    assert enrich(place, "site", "jira.projects").receipt.nodes_removed == 1
    assert len(around(place, "project")) == 1


def test_a_run_without_a_sink(
    workspace: Workspace, jira: SandboxJira, graph_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUCLEUS_KB_URL", f"sqlite:///{graph_file}")
    site = f"entities-{jira.url.rpartition(':')[2]}"
    workspace.endpoints.add(site, "http.jira", login(jira))
    collect_catalog(site)
    told = ingest_unit(site, "jira.projects")
    assert (told["node_type"], told["entities"], told["nodes_written"]) == ("project", 2, 2)
    with pytest.raises(CdmModelUnsupportedError):
        ingest_unit(site, "jira.issues")
    near = workspace.graph.neighbours(node_id("dataset", site, "jira.projects"), ("derived_from",), direction="in")
    assert sorted(node.title for node in near.nodes if node.node_type == "project") == ["Project AND", "Project OPS"]
    remove_endpoint(workspace, site)
    assert workspace.graph.search("", "project") == ()
    assert knowledge_feed.tell_again(workspace) == 0
