"""The commands over an API source and a common-model sink, with a control plane in memory and real servers."""

from __future__ import annotations

import json

import pytest

from cdm_mappers.models import MODELS
from cli import workspace
from flows.wiring import close_live
from sandbox.jira import JiraSite, SandboxJira
from tests.cli.command import fails, nucleus, succeeds
from tests.cli.in_memory_workspace import InMemoryWorkspace


@pytest.fixture
def site(tmp_path, monkeypatch, sink):
    """A registered site and a common-model sink."""
    made = InMemoryWorkspace(tmp_path)
    monkeypatch.setattr(workspace, "open_workspace", lambda: made)
    with SandboxJira(JiraSite(issues=30)) as jira:
        login = ("--set", f"base_url={jira.url}", "--set", f"email={jira.email}", "--secret", "api_token=env:TOKEN")
        succeeds("endpoint", "add", "site", "--template", "jira.http", *login, TOKEN=jira.token)
        succeeds("endpoint", "add", "common", "--template", "cdm.jdbc", "--secret", "url=env:THE_URL", THE_URL=sink.url)
        succeeds("catalog", "collect", "site")
        yield jira
    made.close()
    close_live()


def test_models_are_listed_and_provisioned(site, sink):
    assert [one["model_id"] for one in succeeds("cdm", "list")["models"]] == list(MODELS)
    made = succeeds("cdm", "provision", "common", "cdm.*")["datasets"]
    assert len(made) == len(MODELS)
    assert all(f"cdm_model:{model}" in one["labels"] for one, model in zip(made, MODELS, strict=True))
    assert succeeds("cdm", "provision", "common", "cdm.work.item")["datasets"] == [
        made[list(MODELS).index("cdm.work.item")]
    ]
    assert len(succeeds("catalog", "show", "common")["catalog"]["datasets"]) == len(MODELS)
    assert fails("E_CDM_MODEL_UNSUPPORTED", "cdm", "provision", "common", "cdm.work.unheard")["facts"]["known"]
    assert nucleus("cdm", "provision", "common", "cdm.nothing.*").code == 2


def test_selectors_are_set_shown_and_cleared(site):
    set_unit = ("unit", "configure", "site", "jira.issues", "--data-mode", "cdm")
    config = succeeds(
        *set_unit, "--selector", "projectKeys=AND", "--selector", "projectKeys=OPS", "--selector", "statuses=Done"
    )
    assert config["config"]["data_mode"] == "cdm"
    assert config["config"]["policy"]["selectors"] == {"projectKeys": ["AND", "OPS"], "statuses": "Done"}
    plan = succeeds("plan", "site", "jira.issues")
    assert plan["plan"]["strategy"] == "project-window"
    cleared = succeeds("unit", "configure", "site", "jira.issues", "--selector", "")
    assert cleared["config"]["policy"]["selectors"] == {}
    assert nucleus(*set_unit, "--selector", "projectKeys").code == 2


def test_what_a_site_cannot_filter_by_is_refused_when_it_is_set(site):
    """Issue 11, point 21: not at run time, when nobody looks."""
    set_unit = ("unit", "configure", "site")
    before = succeeds(*set_unit, "jira.issues")["config"]
    fails("E_FILTER_NOT_SUPPORTED", *set_unit, "jira.issues", "--where", "summary=x")
    fails("E_FILTER_NOT_SUPPORTED", *set_unit, "jira.issues", "--selector", "colour=red")
    fails("E_FILTER_NOT_SUPPORTED", *set_unit, "jira.users", "--selector", "projectKeys=AND")
    assert succeeds(*set_unit, "jira.issues")["config"] == before
    succeeds(*set_unit, "jira.issues", "--selector", "statuses=Nope")
    refused = fails("E_FILTER_NOT_SUPPORTED", "plan", "site", "jira.issues")
    assert "'Nope' does not exist for the field 'status'" in json.dumps(refused)
    assert "nucleus unit options" in json.dumps(refused)
    succeeds(*set_unit, "jira.issues", "--selector", "")


def test_what_selectors_may_hold(site):
    options = succeeds("unit", "options", "site")["options"]
    assert [one["value"] for one in options["projectKeys"]] == ["AND", "OPS"]
    assert 'Waiting for "legal"' in nucleus("unit", "options", "site").out


def test_a_preview_of_a_site(site):
    rows = succeeds("preview", "site", "jira.issues", "--limit", "2")["rows"]
    assert len(rows) == 2
    assert {"id", "key", "summary"} <= set(rows[0])


def test_remapping_needs_something_staged(site):
    succeeds("cdm", "provision", "common", "cdm.work.item")
    fails("E_STAGE_UNSEALED", "remap", "site", "jira.issues", "--sink", "common")
