from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cdm_mappers import jira_work
from cdm_mappers.columns import ANY_MODEL
from cdm_mappers.models import MODELS, model_of
from cdm_mappers.registry import BUILT_IN
from connectors.jira import rows as reading
from connectors.jira import units
from connectors.jira.config import JiraConfig
from contracts.errors import CdmModelUnsupportedError
from contracts.mapping import MapContext
from sandbox.jira import JiraSite, samples
from sandbox.jira.render import Renderer
from sandbox.jira.site import as_json
from tests.conformance.mapper_suite import BEGAN, MapperSuite

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


def properties(fields, cells):
    """What the item mapper makes of one issue with these custom fields and cells."""
    dataset = next(one for one in units.datasets("jira", fields, None) if one.name == "issues")
    context = MapContext(endpoint_id="e", dataset=dataset, ingested_at=BEGAN)
    frame = pl.LazyFrame({"id": ["1"], "key": ["A-1"], **{name: [cell] for name, cell in cells.items()}})
    return jira_work.item(frame, context).collect()["properties"][0]


@given(st.text(), st.text(), VALUES, st.booleans())
def test_properties_are_json_whatever_names_and_values_hold(name, kind, value, escaped):
    field = units.CustomField("customfield_1", name, kind)
    made = properties((field,), {"customfield_1": json.dumps(value, ensure_ascii=escaped)})
    wanted = {"customfield_1": {"name": name, "type": kind, "value": value}}
    assert made is None if value is None else json.loads(made) == wanted


@pytest.mark.parametrize("cell", [None, "null", " null ", "", "  "])
def test_a_property_that_holds_nothing_is_left_out(cell):
    fields = (units.CustomField("customfield_1", "A", "number"), units.CustomField("customfield_2", "B", "string"))
    made = properties(fields, {"customfield_1": cell, "customfield_2": '"null"'})
    assert json.loads(made) == {"customfield_2": {"name": "B", "type": "string", "value": "null"}}
    assert properties(fields[:1], {"customfield_1": cell}) is None


def test_numbers_keep_every_digit():
    field = units.CustomField("customfield_1", "A", "number")
    assert '"value":12345678901234567890.10}' in properties((field,), {"customfield_1": "12345678901234567890.10"})


def test_a_field_the_catalog_does_not_list_is_kept():
    field = units.CustomField("customfield_5", "Points", "number")
    made = json.loads(properties((field,), {"customfield_9": '"x"', "customfield_10": "[]", "customfield_5": "3"}))
    assert list(made) == ["customfield_5", "customfield_10", "customfield_9"]
    assert made["customfield_9"] == {"name": "customfield_9", "type": "unknown", "value": "x"}


@given(st.text(min_size=1), st.text(min_size=1))
def test_ids_are_unambiguous(one, other):
    dataset = DATASETS["users"]
    context = MapContext(endpoint_id="e", dataset=dataset, ingested_at=BEGAN)
    made = jira_work.user(pl.LazyFrame({"account_id": [one, other]}), context).collect()
    assert (made["cdm_id"][0] == made["cdm_id"][1]) == (one == other)
    assert [cdm_id.split(":", 4)[4] for cdm_id in made["cdm_id"]] == [one, other]


@pytest.mark.parametrize("name", ["a:b", "", "A", "a/b"])
def test_no_source_system_has_a_colon(name):
    login = {"base_url": "https://site.example", "email": "a@b", "api_token": "t"}
    assert JiraConfig(**login).source_system == "jira"
    with pytest.raises(ValidationError, match="source_system"):
        JiraConfig(**login, source_system=name)


def test_moments_are_utc_whatever_their_zone():
    context = MapContext(endpoint_id="e", dataset=DATASETS["issues"], ingested_at=BEGAN)
    away = BEGAN.astimezone(timezone(timedelta(hours=5, minutes=30)))
    for given_at in (away, MapContext.model_validate_json(context.model_dump_json()).ingested_at):
        frame = pl.LazyFrame({"id": ["1"], "key": ["A-1"], "created": [given_at]})
        made = jira_work.item(frame, context.model_copy(update={"ingested_at": given_at})).collect()
        assert made["ingested_at"].to_list() == made["created_at"].to_list() == [BEGAN]


def test_every_reference_is_a_model():
    for model in MODELS.values():
        for column in model.columns:
            assert column.references in {None, ANY_MODEL, *MODELS}
            assert (column.references is not None) == column.name.endswith("_cdm_id"), column.name
        assert model.columns[0].name == model.key[0] == "cdm_id"
    assert {key.cdm_model_id for key in BUILT_IN} == set(MODELS)


def test_an_unknown_model_is_named():
    with pytest.raises(CdmModelUnsupportedError, match=r"cdm\.work\.item"):
        model_of("cdm.work.unheard")
