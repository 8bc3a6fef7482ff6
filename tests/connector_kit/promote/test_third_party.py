"""Promotion to a repository that is not ours: its own package, found by an entry point."""

from __future__ import annotations

import json
import tomllib

import pytest

from connector_kit.promote.problems import PromotionRefusedError
from connector_kit.promote.promotion import build_only, promote
from connector_kit.template.new import new
from tests.connector_kit.promote.authored_notebook import (
    CELLS,
    ROOT,
    contents,
    notebook_of,
    number,
    python,
    saved,
    types_of_ours,
)

pytestmark = pytest.mark.slow(2)

PROJECT = """\
[project]
name = "acme-connectors"
version = "1"  # the first

[project.entry-points."nucleus.connectors"]
"http.aaa" = "acme_connectors.aaa.source:FACTORY"
"http.zzz" = "acme_connectors.zzz.source:FACTORY"

[tool.other]
key = 1

"""
TYPES = types_of_ours()
"""A third party without these is promoted to under `make prove`: authors/test_three_authors.py."""
THEIRS = {"mapper": None, "units": '"""Datasets."""\n\n\nUNITS: tuple[str, ...] = ()', "source_2": None}
THEIRS["system"] = CELLS["system"].replace("AcmeSource(AcmeConfig", "AcmeFactory(AcmeConfig")
THEIRS["look"] = "AcmeFactory()"
MAPPER = '"""Maps."""\n\n\ndef item(frame: object) -> object:\n    """It."""\n    return frame'
SOURCE = '''
    """Acme as a source."""

    from connectors.describe import fields_of
    from contracts.endpoint import EndpointDescriptor


    class AcmeFactory:
        """What the registry loads."""

        config_class = AcmeConfig
        client_class = AcmeClient
        units = UNITS
        descriptor = EndpointDescriptor(
            template_id="http.acme", family="http", vendor="acme", title="Acme", description="Theirs.",
            fields=fields_of(AcmeConfig), capabilities=(), roles=("source",),
        )


    FACTORY = AcmeFactory()
'''


@pytest.fixture
def theirs(tmp_path):
    root = tmp_path / "theirs"
    root.mkdir()
    (root / "pyproject.toml").write_text(PROJECT + TYPES)
    return root


@pytest.mark.parametrize("folder", ["", "src/"])
def test_modules_go_to_their_package_and_an_entry_point_names_them(theirs, folder):
    if folder:
        (theirs / folder).mkdir()
    path = saved(theirs, notebook_of(**THEIRS, source=SOURCE))
    done = promote(path, theirs, check=None)
    assert "Install the package again" in str(done)
    assert set(done.written) == {
        f"{folder}acme_connectors/__init__.py",
        *(f"{folder}acme_connectors/acme/{name}.py" for name in ("__init__", "config", "client", "units", "source")),
        "tests/acme/system.py",
        "tests/acme/test_acme.py",
        "pyproject.toml",
        "notebooks/prototypes/acme.ipynb",
    }
    wanted = (PROJECT + TYPES).replace('"http.zzz"', '"http.acme" = "acme_connectors.acme.source:FACTORY"\n"http.zzz"')
    assert (theirs / "pyproject.toml").read_text() == wanted
    program = f"""
        import sys; sys.path[:0] = [{str(theirs / folder)!r}, {str(ROOT)!r}]
        from acme_connectors.acme.source import FACTORY
        from connectors.registry import EndpointRegistry
        from importlib.metadata import EntryPoint
        entry = EntryPoint("http.acme", "acme_connectors.acme.source:FACTORY", "nucleus.connectors")
        assert EndpointRegistry(third_parties=lambda: [entry]).get("http.acme") is FACTORY
        print(FACTORY.descriptor.template_id, FACTORY.client_class.__module__)
    """
    assert python(theirs, program).split() == ["http.acme", "acme_connectors.acme.client"]
    source = json.loads(path.read_text())["cells"][number("client") - 1]["source"]
    assert source == ["from acme_connectors.acme.client import AcmeClient"]
    before = contents(theirs)
    assert not promote(path, theirs, check=None).changed
    assert contents(theirs) == before


@pytest.mark.parametrize(
    ("project", "what"),
    [
        ("", "no pyproject.toml with a project's name"),
        ("[project", "cannot be read"),
        ('[project]\nname = "connectors"', "is taken"),
        (
            '[project]\nname = "x"\n[project.entry-points."nucleus.connectors"]\n"http.acme" = "o:F"',
            "registered already",
        ),
        (
            '[project]\nname = "x"\n[project.entry-points]\n"nucleus.connectors" = {"http.b" = "b:F"}',
            "cannot be edited|form",
        ),
    ],
)
def test_a_repository_that_cannot_take_it(theirs, project, what):
    (theirs / "pyproject.toml").write_text(project)
    path = saved(theirs, notebook_of(**THEIRS, source=SOURCE))
    before = contents(theirs)
    with pytest.raises(PromotionRefusedError, match=what):
        promote(path, theirs, check=None)
    assert contents(theirs) == before


def test_a_table_of_entry_points_is_made(theirs):
    (theirs / "pyproject.toml").write_text('[project]\nname = "acme-connectors"\nversion = "1"\n' + TYPES)
    promote(saved(theirs, notebook_of(**THEIRS, source=SOURCE)), theirs, check=None)
    points = tomllib.loads((theirs / "pyproject.toml").read_text())["project"]["entry-points"]
    assert points == {"nucleus.connectors": {"http.acme": "acme_connectors.acme.source:FACTORY"}}


def test_a_check_runs_whatever_lint_has_against_the_connector_and_says_it(theirs):
    notebook, looked = new("acme", theirs), []
    assert build_only(notebook, theirs, looked.append) == (), "the untouched template"
    line = '        me = self.get_json(\\"/v1/me\\")'
    assert line in notebook.read_text()
    notebook.write_text(notebook.read_text().replace(line, "        unused = 1\\n" + line.lstrip("\n"), 1))
    (problem,) = build_only(notebook, theirs, looked.append)
    assert len(looked) == 2
    assert (problem.cell, problem.line) == (8, 12)
    assert "F841" in problem.what


def test_a_mapper_of_theirs_is_left_to_their_package(theirs):
    path = saved(theirs, notebook_of(**{**THEIRS, "mapper": MAPPER}, source=SOURCE))
    with pytest.raises(PromotionRefusedError, match="mapper is not promoted") as caught:
        promote(path, theirs, check=None)
    assert caught.value.facts["problems"][0]["cell"] == number("mapper") - 1
