"""Three authors who read only the documentation: from `connector new` to rows that equal the truth, as a third party."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from connector_kit.checks.run import run_checks
from connector_kit.promote.promotion import promote
from connector_kit.template.new import new
from flows.local.up import down, up
from tests.architecture.rooms import ROOT
from tests.connector_kit.authors import apis
from tests.connector_kit.authors.cells import AUTHORED
from tests.connector_kit.authors.terminal import LEFT_OUT, ONE_BY_ONE, Author
from tests.connector_kit.promote.authored_notebook import types_of_ours
from tests.connectors.ingestion import SiteIngestion
from tests.exactness.executors import PROVE
from tests.prefect_template import seed

pytestmark = pytest.mark.slow(8)

PROJECT = """[project]
name = "{name}-authored"
version = "1"

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""
API = {"link": apis.LinkApi, "tree": apis.TreeApi, "position": apis.PositionApi}


def write_cells(notebook: Path, cells: dict[str, str]) -> None:
    """What the author types: the source of cells by their ids."""
    held = json.loads(notebook.read_text())
    for cell in held["cells"]:
        if cell["id"] in cells:
            cell["source"] = cells[cell["id"]].splitlines(keepends=True)
    notebook.write_text(json.dumps(held, indent=1, ensure_ascii=False))


def truth_of(api: apis.Api) -> set[tuple[str, ...]]:
    return {
        (str(row["id"]), row["title"], f"{Decimal(str(row['effort'])):.2f}", str(row["votes"]))
        for row in api.rows.values()
    }


@pytest.fixture(params=AUTHORED)
def authored(request, tmp_path, monkeypatch):
    """Name of the API, and the promoted connector's package and test system."""
    name, root = request.param, tmp_path / "theirs"
    root.mkdir()
    (root / "pyproject.toml").write_text(PROJECT.format(name=name) + "\n" + types_of_ours())
    shutil.copy(Path(apis.__file__), root / "apis.py")
    monkeypatch.syspath_prepend(str(root))
    notebook = new("acme", root)
    write_cells(notebook, AUTHORED[name].cells)
    assert promote(notebook, root, check=None).changed
    source = importlib.import_module(f"{name}_authored.acme.source")
    spec = importlib.util.spec_from_file_location(f"{name}_system", root / "tests" / "acme" / "system.py")
    system = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(system)
    return name, source, system.AcmeTestSystem


def test_a_connector_from_the_documentation_alone(authored, database):
    name, source, system = authored
    with system() as checked:
        card = run_checks(checked, ("pages", "incremental"))
    assert card.good, card.text()

    api = API[name]()
    config = source.AcmeConfig(base_url=api.url, token=apis.TOKEN, page_size=20, slice_rows=40, retry_pause_s=0.01)
    unit = AUTHORED[name].unit
    try:
        with SiteIngestion(source.FACTORY.source(config), database, endpoint_id="theirs") as ingestion:
            query = f"SELECT id::text, title, effort::text, votes::text FROM acme.{unit}"
            ingestion.run(unit)
            assert set(ingestion.query(query)) == truth_of(api)
            api.edit(7, api.newest() + timedelta(minutes=3))
            del api.rows[64]
            mode = "full" if name == "tree" else "incremental"
            again = ingestion.run(unit, mode, census_every_s=0)
            assert again.rows_read < len(api.rows) or mode == "full"
            if mode == "incremental":
                ingestion.run(unit)  # the lists have no keys alone: a full run compares
            assert set(ingestion.query(query)) == truth_of(api)
    finally:
        api.close()


@pytest.mark.skipif(not PROVE, reason="the long form: every command, here and as a third party")
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("place", ["here", "theirs"])
@pytest.mark.parametrize("name", AUTHORED)
def test_every_command_from_nothing_to_rows(name, place, tmp_path, postgres, two_databases):
    root, beside = tmp_path / "repository", tmp_path / "beside"
    beside.mkdir()
    shutil.copy(Path(apis.__file__), beside / "apis.py")
    if place == "here":
        shutil.copytree(ROOT, root, ignore=LEFT_OUT)
        shutil.copytree(ROOT / "requirements", root / "requirements")
    else:
        (root / "src").mkdir(parents=True)
        (root / "pyproject.toml").write_text(PROJECT.format(name=name))
    author = Author(root, seed(tmp_path / "home"))
    author.environ["PYTHONPATH"] = os.pathsep.join([str(root), str(beside)] if place == "here" else [str(beside)])
    author.nucleus("connector", "new", "acme")
    write_cells(author.notebook, AUTHORED[name].cells)
    assert [card["good"] for card in author.nucleus("connector", "check", "acme")["scorecards"]] == [True]
    assert author.nucleus("connector", "promote", str(author.notebook))["promotion"]["changed"]
    if place == "here":
        author.types("-m", "ruff", "check", ".")
        suites = ("tests/connectors/acme", "tests/connectors/test_suites.py", "tests/architecture")
        author.types("-m", "pytest", "-q", "-x", *suites, "-p", "no:cacheprovider")
    else:
        author.types(
            "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", str(beside), str(root)
        )
        author.types("-m", "pytest", "-q", "-x", "tests/acme", "-p", "no:cacheprovider")

    api, unit = API[name](), AUTHORED[name].unit
    up(author.home, worker=False)
    try:
        add = ("endpoint", "add", "--template")
        author.types("-c", ONE_BY_ONE, json.dumps([
            [*add, "http.acme", "theirs", "--set", f"base_url={api.url}", "--secret", "token=env:TOKEN"],
            [*add, "jdbc.postgres", "lake", "--secret", "url=env:LAKE"],
            ["catalog", "collect", "theirs"],
            ["ingest", "theirs", f"acme.{unit}", "--sink", "lake"],
        ]), TOKEN=apis.TOKEN, LAKE=two_databases[1])  # fmt: skip
    finally:
        down(author.home)
        api.close()
    database = two_databases[1].rpartition("/")[2]
    there = postgres.psql(f"SELECT id, title, effort, votes FROM acme.{unit}", database=database)
    assert {tuple(line.split("|")) for line in there.splitlines()} == truth_of(api)
