from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdm_mappers import jira_work
from cdm_mappers.models import MODELS, model_of
from cdm_mappers.registry import BUILT_IN
from connectors.jira import rows as reading
from connectors.jira import units
from contracts.errors import CdmModelUnsupportedError
from sandbox.jira import JiraSite, samples
from sandbox.jira.render import Renderer
from sandbox.jira.site import as_json
from tests.conformance.mapper_suite import MapperSuite

FIELDS = tuple(units.CustomField(one["id"], one["name"], one["schema"]["type"]) for one in samples.FIELDS)
DATASETS = {dataset.name: dataset for dataset in units.datasets("jira", FIELDS, None)}
SITE = JiraSite(projects=("AND", "OPS"), issues=26, zone="Asia/Kolkata", comments=4, worklogs=4)
RENDER = Renderer(SITE)
BASE = "https://site.example"


def raws(values):
    return [msgspec.Raw(as_json(value)) for value in values]


def children(name: str, payload):
    reader = reading.ChildReader(DATASETS[name], BASE)
    found = [
        (reading.Parent(issue.issue_id, issue.key, issue.project_key), raw)
        for issue in SITE.issues()
        for raw in raws(payload(child, issue) for child in getattr(issue, name))
    ]
    return reader.frame(found).to_dicts()


class TestItem(MapperSuite):
    mapper, model, dataset = jira_work.item, model_of("cdm.work.item"), DATASETS["issues"]

    @pytest.fixture
    def rows(self):
        payloads = [msgspec.Raw(RENDER.issue(one, ("*all",), search=False)) for one in SITE.issues()]
        return reading.IssueReader(DATASETS["issues"], BASE).frame(payloads).to_dicts()

    def test_fields_of_an_item(self, rows):
        made = self.mapped(self.frame(rows)).to_dicts()
        for item, issue in zip(made, SITE.issues(), strict=True):
            assert item["cdm_id"] == f"cdm:work:item:jira:{issue.key}"
            assert item["source_url"] == f"{BASE}/browse/{issue.key}"
            assert item["project_cdm_id"] == f"cdm:work:project:jira:{issue.project_key}"
            assert item["assignee_cdm_id"] == (f"cdm:work:user:jira:{issue.assignee_id}" if issue.assignee_id else None)
            assert item["created_at"] == datetime.fromtimestamp(issue.created_ms / 1000, UTC)
            assert (item["closed_at"] is not None) == (issue.category == "done")
            raw = json.loads(item["raw_source"])
            assert (raw["id"], raw["key"]) == (issue.issue_id, issue.key)
            assert len(item["raw_source"]) < 500, "bounded: no texts, no attachments"

    def test_properties_lose_nothing(self, rows):
        made = self.mapped(self.frame(rows)).to_dicts()
        names = {field.field_id: field.name for field in FIELDS}
        for item, issue in zip(made, SITE.issues(), strict=True):
            given = json.loads(RENDER.issue(issue, ("*all",), search=False))["fields"]
            wanted = {name: value for name, value in given.items() if name in names and value is not None}
            found = json.loads(item["properties"]) if item["properties"] else {}
            assert {name: one["value"] for name, one in found.items()} == wanted
            assert all(one["name"] == names[name] for name, one in found.items()), "names that are not unique too"


class TestProject(MapperSuite):
    mapper, model, dataset = jira_work.project, model_of("cdm.work.project"), DATASETS["projects"]

    @pytest.fixture
    def rows(self):
        return reading.projects(DATASETS["projects"], raws(SITE.projects()), BASE).to_dicts()


class TestUser(MapperSuite):
    mapper, model, dataset = jira_work.user, model_of("cdm.work.user"), DATASETS["users"]

    @pytest.fixture
    def rows(self):
        return reading.users(DATASETS["users"], raws(SITE.people()), BASE).to_dicts()

    def test_an_empty_address_is_none(self, rows):
        assert "" not in self.mapped(self.frame([{"account_id": "1", "email": ""}, *rows]))["email"].to_list()


class TestComment(MapperSuite):
    mapper, model, dataset = jira_work.comment, model_of("cdm.work.comment"), DATASETS["comments"]

    @pytest.fixture
    def rows(self):
        return children("comments", RENDER.comment)


class TestWorklog(MapperSuite):
    mapper, model, dataset = jira_work.worklog, model_of("cdm.work.worklog"), DATASETS["worklogs"]

    @pytest.fixture
    def rows(self):
        return children("worklogs", RENDER.worklog)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.text(), st.text(), VALUES)
def test_properties_are_json_whatever_names_and_values_hold(name, kind, value):
    field = units.CustomField("customfield_1", name, kind)
    dataset = next(one for one in units.datasets("jira", (field,), None) if one.name == "issues")
    suite = TestItem()
    suite.dataset = dataset
    made = suite.mapped(suite.frame([{"id": "1", "key": "A-1", "customfield_1": json.dumps(value)}]))
    assert json.loads(made["properties"][0]) == {"customfield_1": {"name": name, "type": kind, "value": value}}


def test_every_reference_is_a_model():
    for model in MODELS.values():
        for column in model.columns:
            assert column.references is None or column.references in MODELS
        assert model.columns[0].name == model.key[0] == "cdm_id"
    assert {key.cdm_model_id for key in BUILT_IN} == set(MODELS)


def test_an_unknown_model_is_named():
    with pytest.raises(CdmModelUnsupportedError, match=r"cdm\.work\.item"):
        model_of("cdm.work.unheard")
