import subprocess
import sys
from importlib.metadata import EntryPoint
from textwrap import dedent

import pytest

from connectors.registry import ALIASES, BUILT_IN, GROUP, EndpointRegistry
from contracts.errors import DependencyMissingError, EndpointUnknownError

FACTORY = """
from contracts.endpoint import EndpointDescriptor

class Factory:
    descriptor = EndpointDescriptor(
        template_id={template_id!r}, family="fake", vendor="fake", title="Fake", description="", fields=(),
        capabilities=(), roles=("source",),
    )

FACTORY = Factory()
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes an importable module; returns the path of its FACTORY."""
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(dedent(text))
        made.append(name)
        return f"{name}:FACTORY"

    yield write
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture
def fake(module):
    """A module with a factory that works."""
    return lambda template_id: module(f"fake_{template_id.replace('.', '_')}", FACTORY.format(template_id=template_id))


def registry_of(built_in=(), entries=(), aliases=()):
    points = [EntryPoint(name, path, GROUP) for name, path in entries]
    return EndpointRegistry(dict(built_in), dict(aliases), lambda: points)


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        BUILT_IN["http.mine"] = "mine:FACTORY"
    with pytest.raises(TypeError):
        ALIASES["mine"] = "http.mine"
    assert set(ALIASES.values()) <= set(BUILT_IN)


@pytest.mark.parametrize("template_id", BUILT_IN)
def test_ours_are_what_their_factories_say(template_id):
    registry = EndpointRegistry()
    factory = registry.get(template_id)
    assert factory.descriptor.template_id == template_id
    assert template_id in registry.template_ids()
    assert factory.descriptor in registry.descriptors()
    assert set(factory.descriptor.aliases) <= set(ALIASES)


def test_the_real_entry_points_can_be_listed():
    assert set(BUILT_IN) <= set(EndpointRegistry().template_ids())


def test_importing_and_listing_loads_no_connector():
    program = """
        import sys
        import connectors
        from connectors.registry import EndpointRegistry
        assert EndpointRegistry().template_ids()
        loaded = [n for n in sys.modules if n.partition(".")[0] in {"polars", "boto3", "httpx", "prefect"}
                  or n.startswith(("adbc", "connectors.postgres"))]
        assert not loaded, loaded
    """
    subprocess.run([sys.executable, "-c", dedent(program)], check=True)


def test_a_factory_is_imported_once_and_only_when_asked_for(module, fake):
    registry = registry_of({"fake.a": fake("fake.a"), "fake.b": module("boom", "raise SystemError('imported')")})
    assert registry.template_ids() == ("fake.a", "fake.b")
    assert registry.get("fake.a") is registry.get("fake.a")
    assert "boom" not in sys.modules


def test_an_alias_finds_the_template(fake):
    registry = registry_of({"fake.a": fake("fake.a")}, aliases={"a.fake": "fake.a"})
    assert registry.get("a.fake") is registry.get("fake.a")
    assert registry.template_ids() == ("fake.a",)


def test_an_unknown_template_lists_what_exists(fake):
    registry = registry_of({"fake.a": fake("fake.a")}, [("fake.b", fake("fake.b"))])
    with pytest.raises(EndpointUnknownError, match=r"fake\.a, fake\.b") as caught:
        registry.get("fake.c")
    assert caught.value.facts["known"] == ["fake.a", "fake.b"]


def test_a_third_party_adds_a_template(fake):
    registry = registry_of({"fake.a": fake("fake.a")}, [("fake.b", fake("fake.b"))])
    assert registry.get("fake.b").descriptor.template_id == "fake.b"
    assert [each.template_id for each in registry.descriptors()] == ["fake.a", "fake.b"]
    assert registry.broken() == ()


@pytest.mark.parametrize("name", ["fake.a", "a.fake"])
def test_ours_cannot_be_shadowed(fake, module, name):
    registry = registry_of({"fake.a": fake("fake.a")}, [(name, "elsewhere:FACTORY")], {"a.fake": "fake.a"})
    assert registry.get(name).descriptor.template_id == "fake.a"
    (refused,) = registry.broken()
    assert refused.facts == {"template_id": name, "path": "elsewhere:FACTORY"}
    assert "one of ours" in str(refused)


def test_two_packages_with_one_template_id_are_both_refused(fake):
    registry = registry_of({"fake.a": fake("fake.a")}, [("fake.b", fake("fake.b")), ("fake.b", "other:FACTORY")])
    with pytest.raises(EndpointUnknownError, match="2 installed packages"):
        registry.get("fake.b")
    assert registry.template_ids() == ("fake.a",)
    assert len(registry.broken()) == 1


def test_the_same_entry_point_seen_twice_is_one(fake):
    path = fake("fake.b")
    assert registry_of({}, [("fake.b", path), ("fake.b", path)]).get("fake.b")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise RuntimeError('no luck')", "no luck"),
        ("FACTORY", "NameError"),
        ("", "AttributeError"),
        ("FACTORY = object()", "descriptor"),
        ("import broken_one.deeper", "broken_one"),
        ("def broken(:", "SyntaxError"),
        (FACTORY.format(template_id="fake.other"), "fake.other"),
    ],
)
def test_a_broken_connector_is_named_and_others_work(module, fake, text, why):
    registry = registry_of({"fake.a": fake("fake.a")}, [("fake.bad", module("broken_one", text))])
    with pytest.raises(EndpointUnknownError, match=why) as caught:
        registry.get("fake.bad")
    assert caught.value.facts == {"template_id": "fake.bad", "path": "broken_one:FACTORY"}
    assert [each.template_id for each in registry.descriptors()] == ["fake.a"]
    assert [error.facts["template_id"] for error in registry.broken()] == ["fake.bad"]


@pytest.mark.parametrize("path", ["no_such_module_here:FACTORY", "not a path at all", ""])
def test_a_path_that_leads_nowhere_is_broken(fake, path):
    registry = registry_of({"fake.a": fake("fake.a")}, [("fake.bad", path)])
    with pytest.raises(EndpointUnknownError, match=r"fake\.bad"):
        registry.get("fake.bad")
    assert registry.get("fake.a")


def test_a_missing_package_is_named(module):
    registry = registry_of({"fake.a": module("needy", "import rare_driver.dialect")})
    with pytest.raises(DependencyMissingError, match="Install 'rare_driver'") as caught:
        registry.get("fake.a")
    assert caught.value.facts == {"template_id": "fake.a", "package": "rare_driver"}
    assert [type(error) for error in registry.broken()] == [DependencyMissingError]
