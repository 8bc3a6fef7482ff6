"""API rows into common-model tables on a real server: provisioned, ingested, watermarked by project, made anew."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
import pytest

from cdm_mappers import jira_work
from cdm_mappers.models import MODELS
from contracts.errors import CdmModelUnsupportedError, FilterNotSupportedError, SinkNotProvisionedError
from contracts.receipts import RunRef, RunSummary
from contracts.unit import UnitConfig, UnitPolicy
from flows.ingest_unit import ingest_unit
from flows.operations.cdm import provision_cdm, remap_unit
from flows.wiring import LOCAL_SINK
from sandbox.jira import JiraSite, SandboxJira

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.wiring import Workspace
    from sandbox.postgres import SandboxPostgres
    from tests.flows.conftest import RegisteredPair


class Place(NamedTuple):
    """A site, a common-model sink, and ids of their own."""

    site_id: str
    sink_id: str
    jira: SandboxJira
    database: str
    server: SandboxPostgres

    def sql(self, query: str) -> str:
        return str(self.server.psql(query, database=self.database))

    def run(self, unit: str = "jira.issues", **options: Any) -> RunSummary:
        return RunSummary.model_validate(
            ingest_unit(self.site_id, unit, self.sink_id, **{"data_mode": "cdm", **options})
        )


@pytest.fixture
def place(workspace: Workspace, postgres: SandboxPostgres, database: str) -> Iterator[Place]:
    name = database.rpartition("/")[2]
    suffix = f"{name.replace('_', '-')}-{postgres.port}"
    with SandboxJira(JiraSite(projects=("AND", "OPS"), issues=60)) as jira:
        made = Place(f"site-{suffix}", f"cdm-{suffix}", jira, name, postgres)
        login = {
            "base_url": jira.url,
            "email": jira.email,
            "api_token": jira.token,
            "slice_issues": 20,
            "concurrency": 2,
        }
        workspace.endpoints.add(made.site_id, "http.jira", login)
        workspace.endpoints.add(made.sink_id, "cdm.jdbc", {"url": database})
        workspace.catalogs.save(workspace.source(made.site_id).collect_catalog(made.site_id))
        yield made


def test_from_an_empty_sink_to_an_incremental_run(place: Place, workspace: Workspace) -> None:
    with pytest.raises(SinkNotProvisionedError):
        place.run()
    assert place.sql("SELECT count(*) FROM pg_namespace WHERE nspname IN ('nucleus', 'cdm_work')") == "0", (
        "nothing began"
    )
    for model in MODELS:
        dataset = provision_cdm(workspace, place.sink_id, model)
        assert {f"sink-endpoint:{place.sink_id}", f"cdm_model:{model}"} <= set(dataset.labels)
    assert len(workspace.catalogs.load(place.sink_id).datasets) == len(MODELS)

    first = place.run()
    assert (first.rows_read, first.rows_inserted) == (60, 60)
    site = place.jira.site
    site.pass_time(3600)
    site.edit(site.issues()[0], summary="edited")
    second = place.run(mode="incremental")
    assert (second.rows_read, second.rows_updated) == (1, 1)
    ref = RunRef(endpoint_id=place.site_id, unit_id="jira.issues", sink_id=place.sink_id)
    checkpoints = workspace.checkpoints("jira")
    transient = checkpoints.load_transient(ref)
    assert set(transient["projects"]) == {"AND", "OPS"}
    assert set(transient["projects"]["AND"]) == {"lastUpdated"}
    assert "transient" not in checkpoints.load(ref).cursor
    assert checkpoints.progress(ref) == second.checkpoint_after
    assert place.run(mode="incremental").rows_updated == 0
    assert place.sql("SELECT count(*) FROM cdm_work.cdm_item WHERE summary = 'edited' AND deleted_at IS NULL") == "1"


def test_what_does_not_fit_is_refused_before_anything_starts(
    place: Place, pair: RegisteredPair, workspace: Workspace
) -> None:
    provision_cdm(workspace, place.sink_id, "cdm.work.item")
    asked = len(place.jira.requests)
    with pytest.raises(CdmModelUnsupportedError):
        place.run(data_mode="raw")
    with pytest.raises(CdmModelUnsupportedError):
        ingest_unit(place.site_id, "jira.issues", pair.sink_id, data_mode="cdm")
    with pytest.raises(CdmModelUnsupportedError):
        ingest_unit(pair.source_id, "public.orders", place.sink_id, data_mode="cdm")
    assert len(place.jira.requests) == asked
    with pytest.raises(FilterNotSupportedError):
        ingest_unit(pair.source_id, "public.orders", pair.sink_id, policy={"selectors": {"projectKeys": ["AND"]}})
    with pytest.raises(CdmModelUnsupportedError):
        provision_cdm(workspace, pair.sink_id, "cdm.work.item")


def test_rows_are_made_anew_from_staging_by_the_current_mapper(
    place: Place, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    provision_cdm(workspace, place.sink_id, "cdm.work.item")
    place.run()
    site = place.jira.site
    site.pass_time(3600)
    edited, moved, deleted = site.issues()[:3]
    site.edit(edited, summary="newer")
    site.move(moved, "OPS" if moved.project_key == "AND" else "AND")
    place.run(mode="incremental")
    site.delete(deleted)
    place.run()
    truth = (
        "SELECT source_id, source_issue_key, upper(summary) FROM cdm_work.cdm_item WHERE deleted_at IS NULL ORDER BY 1"
    )
    before, asked = place.sql(truth), len(place.jira.requests_to("/rest/"))
    assert remap_unit(workspace, place.site_id, "jira.issues", place.sink_id).rows_updated == 0, (
        "the mapper is the same"
    )

    item = jira_work.item
    monkeypatch.setattr(
        jira_work,
        "item",
        lambda frame, context: item(frame, context).with_columns(pl.col("summary").str.to_uppercase()),
    )
    summary = remap_unit(workspace, place.site_id, "jira.issues", place.sink_id)
    assert (summary.rows_updated, summary.rows_inserted, summary.rows_in_sink) == (59, 0, 59)
    assert place.sql(truth) == before
    assert (
        place.sql("SELECT count(*) FROM cdm_work.cdm_item WHERE summary <> upper(summary) AND deleted_at IS NULL")
        == "0"
    )
    assert place.sql(f"SELECT deleted_at IS NULL FROM cdm_work.cdm_item WHERE source_id = '{deleted.issue_id}'") == "f"
    assert len(place.jira.requests_to("/rest/")) == asked, "the source is not asked"
    monkeypatch.undo()
    assert place.run(mode="incremental").checkpoint_before is not None, "the unit's own progress is untouched"


def test_configured_units_keep_selectors(place: Place, workspace: Workspace) -> None:
    provision_cdm(workspace, place.sink_id, "cdm.work.item")
    workspace.units.configure(
        UnitConfig(
            endpoint_id=place.site_id,
            unit_id="jira.issues",
            data_mode="cdm",
            mode="incremental",
            policy=UnitPolicy(selectors={"projectKeys": ["AND"]}),
        )
    )
    summary = RunSummary.model_validate(ingest_unit(place.site_id, "jira.issues", place.sink_id))
    assert summary.rows_inserted == sum(one.project_key == "AND" for one in place.jira.site.issues())
    assert json.dumps(summary.checkpoint_after).count("lastUpdated") == 1


def test_the_environment_is_a_sink_for_development(
    place: Place, workspace: Workspace, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDM_DATABASE_URL", database)
    monkeypatch.setenv("CDM_DATABASE_SCHEMA", "dev")
    provision_cdm(workspace, LOCAL_SINK, "cdm.work.project")
    summary = RunSummary.model_validate(ingest_unit(place.site_id, "jira.projects", LOCAL_SINK, data_mode="cdm"))
    assert summary.rows_inserted == 2
    assert place.sql("SELECT count(*) FROM dev.cdm_project") == "2"
