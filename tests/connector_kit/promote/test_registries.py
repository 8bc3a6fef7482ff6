from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from connector_kit.promote import registries
from connector_kit.promote.problems import ProblemsFoundError
from tests.connector_kit.promote.authored_notebook import ROOT

CONNECTORS = (ROOT / "connectors" / "registry.py").read_text()
MAPPERS = (ROOT / "cdm_mappers" / "registry.py").read_text()


def added(before, after):
    """The lines that are new; all others are the same, in order."""
    old, new, found = before.splitlines(), after.splitlines(), []
    for line in new:
        if old and line == old[0]:
            old.pop(0)
        else:
            found.append(line)
    assert old == []
    return found


@pytest.mark.parametrize("name", ["aaa.first", "http.aaa", "http.kkk", "jdbc.zzz", "zzz.last"])
def test_a_template_is_put_at_its_place(name):
    after = registries.with_connector(CONNECTORS, name, "connectors.x.source:FACTORY")
    assert added(CONNECTORS, after) == [f'        "{name}": "connectors.x.source:FACTORY",']
    table = next(
        node for node in ast.parse(after).body if isinstance(node, ast.AnnAssign) and node.target.id == "BUILT_IN"
    )
    keys = [key.value for key in table.value.args[0].keys]
    assert keys == sorted(keys)
    assert name in keys
    assert registries.with_connector(after, name, "connectors.x.source:FACTORY") == after
    with pytest.raises(ProblemsFoundError, match="registered already"):
        registries.with_connector(after, name, "connectors.y.source:FACTORY")


@pytest.mark.parametrize(
    "text", ["", "BUILT_IN: dict = make()", "BUILT_IN: dict = make(table)", "BUILT_IN: dict = make({})"]
)
def test_a_table_of_another_form_is_left_alone(text):
    for edit in (
        lambda: registries.with_connector(text, "http.x", "x:F"),
        lambda: registries.with_mapper(text, "http", "x.y", "cdm.work.item", "m:f"),
    ):
        with pytest.raises(ProblemsFoundError, match="not in the form"):
            edit()


def test_mappers_are_added_one_by_one(tmp_path):
    one = registries.with_mapper(MAPPERS, "http", "x.things", "cdm.work.item", "cdm_mappers.x_work:item")
    two = registries.with_mapper(one, "http", "x.boxes", "cdm.work.project", "cdm_mappers.x_work:project")
    assert registries.with_mapper(two, "http", "x.things", "cdm.work.item", "cdm_mappers.x_work:item") == two
    with pytest.raises(ProblemsFoundError, match="registered already"):
        registries.with_mapper(two, "http", "x.things", "cdm.work.item", "cdm_mappers.y_work:item")
    before, after = table(MAPPERS), table(two)
    more = {(key.unit_kind, path) for key, path in after.items() if key not in before}
    assert more == {("x.things", "cdm_mappers.x_work:item"), ("x.boxes", "cdm_mappers.x_work:project")}
    assert before.items() <= after.items()
    (tmp_path / "registry.py").write_text(two)
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", tmp_path / "registry.py"], check=True)


def table(text):
    names = {"__name__": "registry"}
    exec(compile(text, "registry", "exec"), names)  # noqa: S102 - our own table, edited
    return names["BUILT_IN"]


@pytest.mark.parametrize(
    "before",
    [
        "",
        '[project]\nname = "x"\n',
        '[project]\nname = "x"\n\n[project.entry-points."nucleus.connectors"]\n# ours\n"http.a" = "a:F"\n\n[tool.x]\ny = 1\n',
        '[project]\nname = "x"\n\n[project.entry-points."nucleus.connectors"]\n"http.z" = "z:F"',
        '[project]\nname = "x"\n[project.entry-points."nucleus.connectors"]\n[tool.x]\n',
    ],
)
def test_an_entry_point_is_one_more_line(before):
    after = registries.with_entry_point(before, "http.m", "p.m.source:FACTORY")
    new = [line for line in added(before, after) if line and not line.startswith("[")]
    assert new == ['"http.m" = "p.m.source:FACTORY"']
    assert registries.with_entry_point(after, "http.m", "p.m.source:FACTORY") == after
