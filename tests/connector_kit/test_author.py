"""A scripted author, in a copy of the repository: from `connector new` to rows in Postgres, touching only the notebook."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from flows.local.up import down, up
from sandbox.openshelf import SandboxOpenshelf, ShelfSite
from tests.architecture.rooms import ROOT
from tests.connector_kit.authors.terminal import LEFT_OUT, ONE_BY_ONE, Author
from tests.prefect_template import seed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

AUTHORS_LIST = '''
    def authors(self, request: PageRequest) -> Page:
        """Authors, 50 to a numbered page."""
        number = int(request.token or 1)
        answer = self.get_json("/v1/authors", page=number)
        return Page(answer["items"], number + 1 if number < answer["pages"] else None)
'''
AUTHORS_UNIT = """
    ApiUnit(
        "authors",
        "Authors",
        description="Somebody who wrote a book",
        columns=(Column("id", "int64"), Column("name"), Column("born", "int32")),
        primary_key=("id",),
    ),
)
"""


@pytest.fixture
def author(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Author:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shutil.copytree(ROOT, tmp_path / "clone", ignore=LEFT_OUT)
    return Author(tmp_path / "clone", seed(tmp_path / "home"))


@pytest.mark.slow(80)
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default::DeprecationWarning", "default::RuntimeWarning")
def test_from_nothing_to_rows_in_postgres(author: Author, postgres: Any, two_databases: tuple[str, str]) -> None:
    author.nucleus("connector", "new", "acme")
    author.runs_it(traffic="record")
    proxy = author.root / "notebooks" / "prototypes" / "acme" / "tour.jsonl"
    assert proxy.stat().st_size > 1000

    # The list of authors is added as an author would, and forgotten in the source at first.
    author.edit("client", "    def books(", AUTHORS_LIST.lstrip("\n") + "\n    def books(")
    author.edit("units", "    ),\n)", "    )," + AUTHORS_UNIT)
    author.edit("source", '{"books": self.client.books}', '{"books": self.client.book}')
    refused = json.loads(author.types("-m", "cli", "connector", "promote", str(author.notebook), "--json", code=3))
    assert refused["error"]["code"] == "E_PROMOTION_REFUSED"
    assert '"AcmeClient" has no attribute "book"' in refused["error"]["message"]
    assert not (author.root / "connectors" / "acme").exists()
    lists = '{"books": self.client.books, "authors": self.client.authors}'
    author.edit("source", '{"books": self.client.book}', lists)
    author.edit(
        "system",
        "    buffered_rows = 60\n",
        '    buffered_rows = 60\n    unchecked = {"acme.authors": "it has a few"}\n',
    )

    checked = author.nucleus("connector", "check", "acme", "--only", "catalog")
    assert [card["good"] for card in checked["scorecards"]] == [True]
    done = author.nucleus("connector", "promote", str(author.notebook))["promotion"]
    assert "connectors/acme/source.py" in done["written"]
    assert author.nucleus("connector", "promote", str(author.notebook))["promotion"]["changed"] is False
    executed = author.runs_it()
    assert any("from connectors.acme.source import" in "".join(cell["source"]) for cell in executed["cells"])
    author.types("-m", "ruff", "check", ".")
    author.types("-m", "pytest", "-q", "-x", "tests/connectors/acme", "-k", "catalog")

    with SandboxOpenshelf(ShelfSite(books=150, authors=70, loans=0)) as shelf:
        up(author.home, worker=False)
        try:
            add = ("endpoint", "add", "--template")
            author.types("-c", ONE_BY_ONE, json.dumps([
                [*add, "http.acme", "shelf", "--set", f"base_url={shelf.url}", "--secret", "token=env:TOKEN"],
                [*add, "jdbc.postgres", "lake", "--secret", "url=env:LAKE"],
                ["catalog", "collect", "shelf"],
                ["ingest", "shelf", "acme.books", "--sink", "lake"],
                ["ingest", "shelf", "acme.authors", "--sink", "lake"],
            ]), TOKEN=shelf.token, LAKE=two_databases[1])  # fmt: skip
        finally:
            down(author.home)
        database = two_databases[1].rpartition("/")[2]
        there = postgres.psql("SELECT id, title, price FROM acme.books ORDER BY id", database=database)
        books = sorted(shelf.site.rows("books"), key=lambda row: row["id"])
        assert [line.split("|") for line in there.splitlines()] == [
            [
                str(row["id"]),
                row["title"],
                "" if row["price"] is None else str(Decimal(str(row["price"])).quantize(Decimal("0.01"))),
            ]
            for row in books
        ]
        assert int(postgres.psql("SELECT count(*) FROM acme.authors", database=database)) == 70
