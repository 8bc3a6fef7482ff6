import sys
from types import SimpleNamespace

import pytest

from cdm_mappers.jira_work import item
from cdm_mappers.registry import BUILT_IN, CdmMapperRegistry, mapper_for, model_for
from contracts.catalog import DatasetDescriptor
from contracts.errors import CdmModelUnsupportedError
from contracts.mapping import MapperKey
from contracts.unit import EndpointUnitDescriptor


def key(model, family="http", kind="issues"):
    return MapperKey(source_family=family, unit_kind=kind, cdm_model_id=model)


def unit(cdm_model_id=None):
    dataset = DatasetDescriptor(dataset_id="jira.issues", kind="entity", namespace="jira", name="issues", columns=())
    return EndpointUnitDescriptor(
        unit_id="jira.issues", dataset=dataset, kind="jira.issues", display_name="Issues", cdm_model_id=cdm_model_id
    )


def identity(frame):
    return frame


def test_a_mapper_is_found_by_all_three():
    registry = CdmMapperRegistry({key("cdm.work.item"): identity, key("cdm.work.item", kind="pages"): repr})
    assert registry.find("http", "issues", "cdm.work.item") is identity
    assert registry.find("http", "pages", "cdm.work.item") is repr


def test_a_dotted_path_is_imported_when_asked_for(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "late_mapper.py").write_text("def to_items(frame):\n    return frame\n")
    registry = CdmMapperRegistry({key("cdm.work.item"): "late_mapper:to_items"})
    assert "late_mapper" not in sys.modules
    mapper = registry.find("http", "issues", "cdm.work.item")
    assert mapper("rows") == "rows"
    assert registry.find("http", "issues", "cdm.work.item") is mapper
    del sys.modules["late_mapper"]


@pytest.mark.parametrize(
    "asked",
    [("jdbc", "issues", "cdm.work.item"), ("http", "pages", "cdm.work.item"), ("http", "issues", "cdm.x")],
)
def test_anything_else_is_unsupported(asked):
    registry = CdmMapperRegistry({key("cdm.work.item"): identity})
    with pytest.raises(CdmModelUnsupportedError) as caught:
        registry.find(*asked)
    facts = caught.value.facts
    assert (facts["source_family"], facts["unit_kind"], facts["cdm_model_id"]) == asked


def test_the_error_lists_the_models_of_such_units():
    registry = CdmMapperRegistry({key("cdm.b"): identity, key("cdm.a"): identity, key("cdm.c", kind="pages"): identity})
    with pytest.raises(CdmModelUnsupportedError, match=r"Use one of: cdm\.a, cdm\.b;") as caught:
        registry.find("http", "issues", "cdm.c")
    assert caught.value.facts["supported"] == ["cdm.a", "cdm.b"]


@pytest.mark.parametrize("path", ["no_such_module_here:map", "json:no_such_name", "not a path"])
def test_a_path_that_leads_nowhere_is_named(path):
    with pytest.raises(CdmModelUnsupportedError, match=path) as caught:
        CdmMapperRegistry({key("cdm.a"): path}).find("http", "issues", "cdm.a")
    assert caught.value.facts["path"] == path


def test_the_table_does_not_change_under_the_registry():
    entries = {key("cdm.a"): identity}
    registry = CdmMapperRegistry(entries)
    entries.clear()
    assert registry.keys() == (key("cdm.a"),)
    assert registry.models("http", "issues") == ("cdm.a",)
    with pytest.raises(TypeError):
        BUILT_IN[key("cdm.a")] = identity


def test_every_built_in_path_leads_to_a_mapper():
    registry = CdmMapperRegistry()
    for each in registry.keys():  # noqa: SIM118 - not a dictionary
        assert callable(registry.find(each.source_family, each.unit_kind, each.cdm_model_id))


def test_a_unit_finds_its_model_and_its_mapper():
    issues = unit(cdm_model_id="cdm.work.item")
    model = model_for(issues, "cdm")
    assert model is not None
    assert model.model_id == "cdm.work.item"
    source = SimpleNamespace(descriptor=SimpleNamespace(family="http"))
    assert mapper_for(source, issues, model) is item


def test_raw_rows_need_neither_model_nor_mapper():
    assert model_for(unit(cdm_model_id="no.such.model"), "raw") is None
    assert mapper_for(SimpleNamespace(), unit(), None) is None


@pytest.mark.parametrize("model_id", [None, "no.such.model"])
def test_a_unit_without_a_known_model_is_refused(model_id):
    with pytest.raises(CdmModelUnsupportedError):
        model_for(unit(cdm_model_id=model_id), "cdm")


def test_a_source_without_a_mapper_is_refused():
    issues = unit(cdm_model_id="cdm.work.item")
    source = SimpleNamespace(descriptor=SimpleNamespace(family="jdbc"))
    with pytest.raises(CdmModelUnsupportedError, match="jdbc"):
        mapper_for(source, issues, model_for(issues, "cdm"))
