import sys
from importlib.metadata import Distribution, EntryPoint
from textwrap import dedent

import pytest

from cdm_mappers.installed import GROUP
from cdm_mappers.registry import BUILT_IN, CdmMapperRegistry
from contracts.errors import CdmModelUnsupportedError
from contracts.mapping import MapperKey

TABLE = """
    from contracts.mapping import MapperKey
    def item(frame, context): return frame
    MAPPERS = {{MapperKey(source_family="http", unit_kind={kind!r}, cdm_model_id="cdm.work.item"): {mapper}}}
"""
OURS = MapperKey(source_family="http", unit_kind="ours.things", cdm_model_id="cdm.work.item")


class FakeDistribution(Distribution):
    def __init__(self, name):
        self._name = name

    @property
    def name(self):
        return self._name

    def read_text(self, _filename):
        return None

    def locate_file(self, path):
        return path


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Makes the entry point of a package whose module holds that text."""
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def install(name, text):
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(dedent(text))
        made.append(module)
        return EntryPoint(name, f"{module}:MAPPERS", GROUP)._for(FakeDistribution(name))

    yield install
    for module in made:
        sys.modules.pop(module, None)


def registry_of(*points):
    return CdmMapperRegistry({OURS: repr}, lambda: points)


@pytest.mark.parametrize("mapper", ["item", "'acme_mappers:item'"], ids=["itself", "its path"])
def test_a_package_brings_a_mapper(package, mapper):
    registry = registry_of(package("acme-mappers", TABLE.format(kind="acme.things", mapper=mapper)))
    assert registry.find("http", "acme.things", "cdm.work.item").__module__ == "acme_mappers"
    assert registry.models("http", "acme.things") == ("cdm.work.item",)
    assert [key.unit_kind for key in registry.keys()] == ["acme.things", "ours.things"]  # noqa: SIM118 - not a dictionary
    assert registry.broken() == ()


def test_ours_need_no_package(package):
    registry = registry_of(package("boom-mappers", "raise SystemError('imported')"))
    assert registry.find("http", "ours.things", "cdm.work.item") is repr
    assert "boom_mappers" not in sys.modules
    assert CdmMapperRegistry().broken() == ()
    assert set(BUILT_IN) <= set(CdmMapperRegistry().keys())


def test_ours_cannot_be_replaced(package):
    registry = registry_of(package("bold-mappers", TABLE.format(kind="ours.things", mapper="item")))
    assert registry.find("http", "ours.things", "cdm.work.item") is repr
    (refused,) = registry.broken()
    assert "bold-mappers" in str(refused)
    assert refused.facts["unit_kind"] == "ours.things"
    assert registry.find("http", "ours.things", "cdm.work.item") is repr


def test_two_packages_with_one_key_are_both_refused(package):
    points = [package(f"{name}-mappers", TABLE.format(kind="acme.things", mapper="item")) for name in ("one", "two")]
    registry = registry_of(*points, package("good-mappers", TABLE.format(kind="good.things", mapper="item")))
    with pytest.raises(CdmModelUnsupportedError, match=r"one-mappers.*two-mappers"):
        registry.find("http", "acme.things", "cdm.work.item")
    assert registry.find("http", "good.things", "cdm.work.item")
    assert registry.models("http", "acme.things") == ()


def test_an_entry_point_seen_twice_is_one(package):
    point = package("acme-mappers", TABLE.format(kind="acme.things", mapper="item"))
    assert registry_of(point, point).find("http", "acme.things", "cdm.work.item")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise RuntimeError('no luck')", "no luck"),
        ("import rare_driver", "rare_driver"),
        ("def broken(:", "SyntaxError"),
        ("", "AttributeError"),
        ("MAPPERS = ['x']", "list"),
        ("MAPPERS = {'acme.things': print}", "no MapperKey"),
        (TABLE.format(kind="acme.things", mapper="3"), "3 is neither"),
    ],
)
def test_a_broken_package_is_named_and_others_work(package, text, why):
    bad = package("bad-mappers", text)
    registry = registry_of(bad, package("good-mappers", TABLE.format(kind="good.things", mapper="item")))
    assert registry.find("http", "good.things", "cdm.work.item")
    with pytest.raises(CdmModelUnsupportedError, match=why) as caught:
        registry.find("http", "acme.things", "cdm.work.item")
    assert "package 'bad-mappers'" in str(caught.value)
    (broken,) = registry.broken()
    assert broken.facts == {"name": "bad-mappers", "path": "bad_mappers:MAPPERS"}


def test_a_path_of_a_package_that_leads_nowhere_is_named(package):
    registry = registry_of(package("lost-mappers", TABLE.format(kind="acme.things", mapper="'lost_mappers:gone'")))
    with pytest.raises(CdmModelUnsupportedError, match="lost_mappers:gone"):
        registry.find("http", "acme.things", "cdm.work.item")
